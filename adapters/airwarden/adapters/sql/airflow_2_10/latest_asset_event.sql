-- latest_asset_event: the highest id of a dataset's update. Cost: one look-up by primary key.
SELECT max(id) AS latest FROM dataset_event;
