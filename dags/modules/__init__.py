"""Code that the tasks of the DAGs call. No DAG is defined here."""
