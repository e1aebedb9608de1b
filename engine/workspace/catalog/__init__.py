"""DuckDB over a workspace's Parquet parts, for every reader."""
