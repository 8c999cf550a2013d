"""An executor of Snakemake that runs nothing: every job that it is handed has ended well at the
next look. With it the cost of scheduling is measured alone.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.settings import CommonSettings

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_default_storage_provider_args=True,
    pass_default_resources_args=True,
    pass_envvar_declarations_to_cmd=False,
    auto_deploy_default_storage_provider=False,
    init_seconds_before_status_checks=0,
)


class Executor(RemoteExecutor):
    """Takes jobs, builds the command of each as a real one does, and throws it away."""

    def __post_init__(self) -> None:
        self.submitted = 0

    def run_job(self, job: JobExecutorInterface) -> None:
        """Note the job, and leave the files that say that its runs have ended."""
        self.submitted += 1
        self.format_job_exec(job)
        for one in job.jobs if job.is_group() else [job]:
            for output in one.output:
                Path(output).parent.mkdir(parents=True, exist_ok=True)
                Path(output).touch()
        self.report_job_submission(SubmittedJobInfo(job, external_jobid=str(self.submitted)))

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncGenerator[SubmittedJobInfo, None]:
        """All have ended well."""
        self.next_seconds_between_status_checks = 0.2
        for job in active_jobs:
            self.report_job_success(job)
        for job in active_jobs[:0]:
            yield job

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """There is nothing to cancel."""
