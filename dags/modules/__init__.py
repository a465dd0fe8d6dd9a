"""What the DAGs call: no DAG is defined here."""
