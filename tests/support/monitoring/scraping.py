"""Scrape addresses of a local stack, from the configuration that it generates for Prometheus."""

from __future__ import annotations

import yaml

from stack.local import LocalStack
from stack.prometheus_config import local_config


def addresses(stack: LocalStack) -> dict[str, str]:
    """Return the address of each job that has one, by its name."""
    jobs = yaml.safe_load(local_config(stack.context))["scrape_configs"]
    return {
        job["job_name"]: f"http://{job['static_configs'][0]['targets'][0]}{job.get('metrics_path', '/metrics')}"
        for job in jobs
        if "static_configs" in job
    }
