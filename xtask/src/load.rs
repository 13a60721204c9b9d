//! `cargo xtask load`: benchmarks the operations of a running server on both hosts.

use crate::cargo::{self, cargo};
use crate::error::Error;
use crate::process::{command, output, run as start, say};
use crate::{node, paths, results, worker};

/// Builds both hosts, runs the benchmark once for each number of records, and saves the table.
pub(crate) fn run(sizes: &[String]) -> Result<(), Error> {
    if let Some(other) = sizes.iter().find(|size| size.parse::<u32>().is_err()) {
        return Err(Error::new(format!("\"{other}\" is not a number of records")));
    }
    let sizes = if sizes.is_empty() { &SIZES.map(str::to_owned) } else { sizes };
    start(cargo().args(["build", "--release", "--package", "nacre-pds-cli"]))?;
    let modules = worker::build(worker::Routes::Released)?;
    node::npm_ci(&paths::e2e())?;
    let mut load = command(node::node()?, paths::root());
    load.arg("benches/load/load.mjs").args(sizes);
    load.env("NACRE_LOAD_HOSTS", "native workerd");
    load.env("NACRE_PDS", cargo::target_folder()?.join("release/pds"));
    load.env("NACRE_WORKER", modules);
    load.env("NACRE_WORKERD", paths::e2e().join("node_modules/workerd/bin/workerd"));
    say("benchmarking both hosts");
    let table = output(&mut load)?;
    println!("{table}");
    results::save(HEADING, &format!("{HOW}\n\n{table}"))
}

const SIZES: [&str; 3] = ["10000", "100000", "1000000"];
const HEADING: &str = "## Operations of a running server";
const HOW: &str = "\
`cargo xtask load`, over loopback, with one client; workerd runs without wrangler. CPU is the
server process's processor time per operation, sequentially unless a number in flight is given.
Everything else is measured by the client, which shares the machine with the server. Live memory
is what the isolate holds after a collection, in JavaScript objects and in buffers, among them
that of wasm.

The last table compares the Worker with `benches/load/platform/`, a Worker and an object in
JavaScript that do next to nothing, on the same runtime and by the same client. Both take turns
in one run, and the times are the CPU of five turns each.";
