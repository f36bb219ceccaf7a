-- latest_asset_event: the highest id of an asset's update. Cost: one look-up by primary key.
SELECT max(id) AS latest FROM asset_event;
