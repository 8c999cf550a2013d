"""Audits that look harder than the paper's scores: likelihood ratios with shadow models.

`shadows` trains many networks on random halves of the data and makes each unlearn its part; `study`
attacks every one of them with the help of all others and writes one record; `summary` reads the
records for the page.
"""
