//! The `pds` program.
fn main() {}
