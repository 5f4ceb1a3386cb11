"""The first tables of the store: slides, runs, and what a run found. Released: they stay as they are."""

FIRST_TABLES = """
CREATE TABLE slides (
  id TEXT PRIMARY KEY,      -- random; everything else names a slide by it
  added TEXT NOT NULL
) STRICT;
CREATE TABLE records (      -- the one place that knows whose slide it is
  slide TEXT PRIMARY KEY REFERENCES slides (id),
  record_number TEXT NOT NULL
) STRICT;
CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  slide TEXT NOT NULL REFERENCES slides (id),
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  plan TEXT NOT NULL,                 -- JSON
  um_per_px REAL NOT NULL,
  calibration TEXT NOT NULL,          -- the scale's id
  calibration_source TEXT NOT NULL,
  engine TEXT NOT NULL,
  weights TEXT NOT NULL,
  outputs TEXT NOT NULL,              -- JSON: the names of the probabilities, in order
  camera TEXT NOT NULL,
  simulated INTEGER NOT NULL,
  planned INTEGER,                    -- fields; null where the plan has no end
  digest TEXT NOT NULL,               -- of all fields and their order
  version TEXT NOT NULL,              -- of hemadiff
  started TEXT NOT NULL,              -- ISO 8601, UTC
  changed TEXT NOT NULL
) STRICT;
CREATE TABLE fields (
  id INTEGER PRIMARY KEY,
  run TEXT NOT NULL REFERENCES runs (id),
  number INTEGER NOT NULL,            -- its place in the plan, from 0
  name TEXT NOT NULL,
  skipped TEXT,                       -- the reason, null for a field that was analysed
  skipped_at TEXT,                    -- 'input' or 'analysis'
  detail TEXT,
  x_um REAL, y_um REAL, z_um REAL,
  width INTEGER, height INTEGER,      -- px
  exposure_start_ns INTEGER,          -- monotonic, of the process that took it
  exposure_us INTEGER,
  gain REAL,
  at TEXT NOT NULL,
  UNIQUE (run, number)
) STRICT;
CREATE TABLE cells (
  id INTEGER PRIMARY KEY,
  run TEXT NOT NULL REFERENCES runs (id),
  field INTEGER NOT NULL REFERENCES fields (id),
  x REAL NOT NULL, y REAL NOT NULL,   -- centre, px of the frame
  radius_um REAL NOT NULL,
  score REAL NOT NULL,
  x_um REAL NOT NULL, y_um REAL NOT NULL,
  label TEXT,                         -- null: its window leaves the frame
  probability REAL,
  probabilities TEXT,                 -- JSON, after guidance
  label_single_view TEXT,
  probability_single_view REAL,
  single_view TEXT,                   -- JSON, from the centred view alone
  views INTEGER NOT NULL,
  findings TEXT NOT NULL              -- JSON
) STRICT;
CREATE INDEX cells_run ON cells (run, id);
CREATE INDEX cells_field ON cells (field);
CREATE TABLE patches (
  cell INTEGER PRIMARY KEY REFERENCES cells (id),
  png BLOB NOT NULL                   -- 96 × 96, RGB, at the canonical scale
) STRICT;
CREATE TABLE tallies (                -- the tally after each analysed field
  field INTEGER PRIMARY KEY REFERENCES fields (id),
  run TEXT NOT NULL REFERENCES runs (id),
  counts TEXT NOT NULL,               -- JSON, by label
  at_border INTEGER NOT NULL,
  detections INTEGER NOT NULL         -- in this field
) STRICT;
CREATE INDEX tallies_run ON tallies (run, field);
CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  run TEXT REFERENCES runs (id),
  kind TEXT NOT NULL,
  detail TEXT NOT NULL,
  at TEXT NOT NULL
) STRICT;
CREATE INDEX events_run ON events (run, id)
"""
