"""Files for Airflow's side. They are copied there and run by Airflow; nothing of ours imports them."""
