//! Importers: benchmarks and plain folders become `problems.jsonl` and `candidates.jsonl`.
