ALTER TABLE cache_properties ADD COLUMN objective {name};
ALTER TABLE cache_properties ADD COLUMN autopilot {number};
