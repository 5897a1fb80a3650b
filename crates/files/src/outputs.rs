//! The names that tell a folder of runs from one of data, which may be beside or around it.

/// In the folder of a run: held by the process that works in it.
pub const LOCK: &str = "LOCK";
/// Beside the runs of a comparison: its table and its page.
pub const COMPARISON: [&str; 2] = ["comparison.csv", "comparison.html"];
/// Beside the runs of a sweep: the file that it is made from, its table and its page.
pub const SWEEP: [&str; 3] = ["sweep.toml", "sweep.csv", "sweep.html"];
