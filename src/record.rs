//! JSON lines in and out, and the provenance beside each file.
