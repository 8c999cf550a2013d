"""What several studies share: how an answer is shown."""

from __future__ import annotations

from salun_utils.studies.common import Answer


def test_backticks_are_code_in_html_and_the_rest_is_escaped():
    answer = Answer(("On `fashion-mini` a < b, and `x < y` too.", "A lone ` stays."))
    shown = answer._repr_mimebundle_()
    assert shown["text/plain"] == str(answer) and "`fashion-mini`" in shown["text/plain"]
    assert shown["text/html"] == (
        '<div class="salun-answer"><p>On <code>fashion-mini</code> a &lt; b, and'
        " <code>x &lt; y</code> too.</p><p>A lone ` stays.</p></div>"
    )
