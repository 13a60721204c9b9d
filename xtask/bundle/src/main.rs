//! Bundles the compiled Worker into the modules that Cloudflare loads.
//!
//! usage: `nacre-xtask-bundle <compiled.wasm> <shim.js> <folder> [count-crossings]`

use core::error::Error;
use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use flate2::{Compression, write::GzEncoder};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let args: Vec<_> = env::args_os().skip(1).collect();
    let (paths, counts) = match args.as_slice() {
        [paths @ .., last] if last == "count-crossings" => (paths, true),
        paths => (paths, false),
    };
    let [module, shim, folder] = paths else {
        eprintln!("usage: nacre-xtask-bundle <compiled.wasm> <shim.js> <folder> [count-crossings]");
        return ExitCode::FAILURE;
    };
    match bundle(Path::new(module), Path::new(shim), Path::new(folder), counts) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes `index.js`, `index_bg.wasm`, `snippets`, `shim.js` and the modules that it imports.
///
/// The folder is cleared first. Names of snippets contain a digest, so stale ones would pile up.
/// With `counts`, `globalThis.crossings` counts the calls from wasm to JavaScript.
fn bundle(module: &Path, shim: &Path, folder: &Path, counts: bool) -> Result<(), Box<dyn Error>> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).out_name("index").typescript(false).module(true)?;
    // The shim needs these two to start a fresh instance after a panic.
    bindgen.reset_state_function(true).force_enable_abort_handler(true);
    // Function names are a sixth of the module. A panic reports its location without them.
    bindgen.remove_name_section(true);
    bindgen.generate(folder)?;

    let index = folder.join("index.js");
    let mut text = fs::read_to_string(&index)?;
    // An import from "env" is a call into a C library, which makes the module fail to load.
    if text.contains("from \"env\"") {
        return Err(
            "the module imports from \"env\"; remove the dependency that does not support wasm"
                .into(),
        );
    }
    if counts {
        let returned =
            "    return {\n        __proto__: null,\n        \"./index_bg.js\": import0,";
        let at = text.find(returned).ok_or("the bundler writes imports in another form")?;
        text.insert_str(at, COUNTING);
    }
    // Cloudflare spells the standard's source import of a `.wasm` file as a plain import.
    fs::write(&index, text.replace("import source ", "import "))?;
    let others = ["blobs.js", "log.js"].map(|name| shim.with_file_name(name));
    for module in [shim.to_owned()].into_iter().chain(others) {
        let name = module.file_name().unwrap_or_default();
        fs::copy(&module, folder.join(name)).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot copy {}: {error}", module.display()))
        })?;
    }

    let bytes = fs::read(folder.join("index_bg.wasm"))?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&bytes)?;
    let compressed = gzip.finish()?.len();
    // Standard output belongs to the command that runs this program.
    eprintln!("{}: {} bytes of wasm, {compressed} with gzip", folder.display(), bytes.len());
    Ok(())
}

/// Wraps every function that the module imports.
const COUNTING: &str = "\
    globalThis.crossings = 0;
    for (const [name, imported] of Object.entries(import0)) {
        if (typeof imported !== 'function') continue;
        import0[name] = (...args) => {
            globalThis.crossings += 1;
            return imported(...args);
        };
    }
";
