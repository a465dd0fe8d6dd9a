"""The Airflow DAGs of the chunked lane; the files wire, :mod:`dags.modules` works."""
