"""Airflow DAGs of the ingestion pipeline. DAG files declare tasks; the work is in :mod:`dags.modules`."""
