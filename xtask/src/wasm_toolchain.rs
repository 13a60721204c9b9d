//! Finds, or makes, a Rust compiler for `wasm32-unknown-unknown`.
//!
//! Tried in this order: the active toolchain; `rustup target add`; Debian's packages. The last way
//! serves machines on which rustup may not fetch anything. It touches nothing outside our cache
//! folder: a compiler is unpacked there and, where Debian has no standard library for wasm, that is
//! built once from Debian's source package, with the dependencies that lie in it.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::debian::{self, Archive};
use crate::error::{Context, Error};
use crate::paths;
use crate::process::{self, command, output, run, say};

/// The target of the Worker.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// A Rust toolchain that is known to compile and link for [`TARGET`].
pub(crate) struct WasmToolchain {
    /// What was unpacked, or `None` for the active toolchain.
    unpacked: Option<Unpacked>,
}

impl WasmToolchain {
    /// Finds a toolchain, or makes one: that takes a minute or two, once.
    ///
    /// # Errors
    ///
    /// Says what was tried on a machine where no way leads to a toolchain.
    pub(crate) fn find_or_make() -> Result<Self, Error> {
        let active = Self { unpacked: None };
        if active.links() || added_by_rustup(&active) {
            return Ok(active);
        }
        let cache = paths::cache()?.join("wasm-toolchain");
        fs::create_dir_all(&cache).context(format_args!("cannot make {}", cache.display()))?;
        let lock = cache.join("lock");
        let lock = File::create(&lock).context(format_args!("cannot make {}", lock.display()))?;
        // Held until the end of this function: another xtask waits for what this one makes.
        lock.lock().context("cannot lock the cache of toolchains")?;
        if let Some(root) = made_before(&cache) {
            return Ok(Self { unpacked: Some(root) });
        }
        make(&cache).map(|root| Self { unpacked: Some(root) }).context(format_args!(
            "there is no Rust compiler for {TARGET}: `rustup target add {TARGET}` brings one; \
             making one of Debian's packages failed"
        ))
    }

    /// Returns a call of this toolchain's cargo, at the root of the checkout, that compiles for
    /// [`TARGET`] into [`target_folder`].
    pub(crate) fn cargo(&self, subcommand: &str) -> Result<Command, Error> {
        let mut cargo = process::cargo();
        self.enter(&mut cargo)?;
        let folder = target_folder()?;
        self.claim(&folder)?;
        cargo.env("CARGO_TARGET_DIR", folder).args([subcommand, "--target", TARGET]);
        Ok(cargo)
    }

    /// Empties the target folder if it was filled with another standard library. Cargo looks at the
    /// version of the compiler alone, and two libraries that were built of one version do not mix.
    fn claim(&self, folder: &Path) -> Result<(), Error> {
        let identity = match &self.unpacked {
            Some(unpacked) => unpacked.identity()?,
            None => "active".to_owned(),
        };
        let stamp = folder.join("toolchain");
        if fs::read_to_string(&stamp).is_ok_and(|filled_with| filled_with == identity) {
            return Ok(());
        }
        remove(folder)?;
        fs::create_dir_all(folder).context(format_args!("cannot make {}", folder.display()))?;
        fs::write(&stamp, identity).context(format_args!("cannot write {}", stamp.display()))
    }

    fn links(&self) -> bool {
        let mut rustc = command("rustc", paths::root());
        self.enter(&mut rustc).is_ok() && links(&mut rustc)
    }

    fn enter(&self, command: &mut Command) -> Result<(), Error> {
        match &self.unpacked {
            Some(unpacked) => unpacked.enter(command),
            None => Ok(()),
        }
    }
}

/// Returns the folder of what is compiled for wasm. It is not that of the native builds, because
/// the compiler may be another: the two would throw away each other's work.
pub(crate) fn target_folder() -> Result<PathBuf, Error> {
    Ok(paths::target()?.join("wasm"))
}

/// A toolchain unpacked from Debian's packages; its sysroot is the folder `usr` inside `root`.
struct Unpacked {
    root: PathBuf,
}

impl Unpacked {
    /// Has `command` and all that it starts use this toolchain.
    fn enter(&self, command: &mut Command) -> Result<(), Error> {
        let inherited = env::var_os("PATH").unwrap_or_default();
        let path = [self.root.join("usr/bin")].into_iter().chain(env::split_paths(&inherited));
        let path = env::join_paths(path).context("the cache folder cannot be named in PATH")?;
        command.env("PATH", path).env("LD_LIBRARY_PATH", self.libraries()?);
        // Each of these would send cargo back to another compiler.
        for variable in ["RUSTC", "RUSTDOC", "RUSTC_BOOTSTRAP", "RUSTUP_TOOLCHAIN"] {
            command.env_remove(variable);
        }
        command.env_remove("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER");
        Ok(())
    }

    /// The folder of the shared libraries, named after the machine: `usr/lib/x86_64-linux-gnu`.
    fn libraries(&self) -> Result<PathBuf, Error> {
        let folder = self.root.join("usr/lib");
        let holds_compiler = |folder: &PathBuf| {
            names(folder).iter().any(|file| file.starts_with("librustc_driver-"))
        };
        let folders = names(&folder).into_iter().map(|name| folder.join(name));
        let found = folders.into_iter().find(holds_compiler);
        found.ok_or_else(|| Error::new(format!("no compiler lies in {}", folder.display())))
    }

    /// Tells this toolchain from any other, one made in the same place at another time included.
    fn identity(&self) -> Result<String, Error> {
        let library = self.root.join("usr/lib/rustlib").join(TARGET).join("lib");
        let made = fs::metadata(&library).and_then(|folder| folder.modified());
        let made = made.context(format_args!("cannot look at {}", library.display()))?;
        Ok(format!("{} {made:?}", library.display()))
    }

    fn rustc(&self) -> Result<Command, Error> {
        let mut rustc = command(self.root.join("usr/bin/rustc"), &self.root);
        self.enter(&mut rustc)?;
        Ok(rustc)
    }
}

fn added_by_rustup(active: &WasmToolchain) -> bool {
    let forbidden = env::var("RUSTUP_AUTO_INSTALL").is_ok_and(|value| value == "0");
    !forbidden
        && paths::on_path("rustup").is_some()
        && run(command("rustup", paths::root()).args(["target", "add", TARGET])).is_ok()
        && active.links()
}

/// Compiles a library with allocations, since a compiler may be there without its linker or without
/// a standard library.
fn links(rustc: &mut Command) -> bool {
    let probe = env::temp_dir().join(format!("nacre-wasm-probe-{}.wasm", std::process::id()));
    rustc.args(["--crate-type", "cdylib", "--edition", "2024", "--target", TARGET, "-o"]);
    rustc.arg(&probe).arg("-").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let linked = rustc.spawn().is_ok_and(|mut child| {
        // A compiler that does not even read is a compiler that fails.
        let written = child.stdin.take().map(|mut input| input.write_all(PROBE.as_bytes()));
        matches!(written, Some(Ok(()))) & child.wait().is_ok_and(|status| status.success())
    });
    let _ = fs::remove_file(probe);
    linked
}

/// A toolchain gets its final name when it is complete, so one that has such a name is.
fn made_before(cache: &Path) -> Option<Unpacked> {
    let complete = names(cache).into_iter().filter(|name| name.starts_with(PREFIX));
    let mut toolchains = complete.map(|name| Unpacked { root: cache.join(name) });
    toolchains.find(|toolchain| toolchain.rustc().is_ok_and(|mut rustc| links(&mut rustc)))
}

fn make(cache: &Path) -> Result<Unpacked, Error> {
    let new = cache.join("new");
    // What an interrupted run left behind.
    remove(&new)?;
    let archive = Archive::open(&new.join("apt"))?;
    let (base, version) = archive
        .newest(&["rustc", "rustc-web"])
        .filter(|(_, version)| debian::at_least(version, MIN_VERSION))
        .ok_or_else(|| Error::new(format!("Debian has no rustc of at least {MIN_VERSION}")))?;
    say(&format!("making a compiler for {TARGET} of Debian's {base} {version}"));

    let toolchain = Unpacked { root: new.join("root") };
    fs::create_dir(&toolchain.root).context("cannot make a folder for the toolchain")?;
    archive.unpack(&packages(&archive, base, &version)?, &toolchain.root)?;
    place_linker(&toolchain)?;
    let libraries = toolchain.root.join("usr/lib/rustlib").join(TARGET).join("lib");
    if !libraries.is_dir() {
        build_standard_library(&toolchain, &new, &libraries)?;
    }
    if !links(&mut toolchain.rustc()?) {
        return Err(Error::new("the toolchain made of Debian's packages does not link"));
    }
    // The sources are large and have served.
    remove(&toolchain.root.join("usr/src"))?;
    remove(&toolchain.root.join("usr/lib/rustlib/src"))?;
    remove(&toolchain.root.join("usr/share"))?;
    let complete = cache.join(format!("{PREFIX}{version}"));
    remove(&complete)?;
    fs::rename(&toolchain.root, &complete).context("cannot name the toolchain")?;
    remove(&new)?;
    say(&format!("made {}", complete.display()));
    Ok(Unpacked { root: complete })
}

/// Returns what to unpack, as `name=version`: compiler, both standard libraries, linker, clippy.
fn packages(archive: &Archive, base: &str, version: &str) -> Result<Vec<String>, Error> {
    let flavour = base.strip_prefix("rustc").unwrap_or_default();
    let standard = format!("libstd-rust{flavour}-dev={version}");
    let mut wanted = vec![format!("{base}={version}"), standard.clone()];
    let shared = archive.dependencies(&standard)?;
    for library in shared.iter().filter(|name| name.starts_with("libstd-rust")) {
        let library = format!("{library}={version}");
        let needs = archive.dependencies(&library)?;
        // The linker of that LLVM which the compiler itself is linked with.
        wanted.extend(needs.iter().filter_map(|name| Some(format!("lld-{}", llvm(name)?))));
        wanted.extend(needs.into_iter().filter(|name| llvm(name).is_some()));
        wanted.push(library);
    }
    let for_wasm = format!("libstd-rust{flavour}-dev-wasm32={version}");
    let source = format!("rust{flavour}-src={version}");
    wanted.push(if archive.has(&for_wasm) { for_wasm } else { source });
    wanted.push(format!("rust{flavour}-clippy={version}"));
    Ok(wanted)
}

/// Returns the number in the name of an LLVM library: 22 of `libllvm22`.
fn llvm(package: &str) -> Option<&str> {
    package.strip_prefix("libllvm")
}

/// Puts LLVM's linker where rustc looks for it.
fn place_linker(toolchain: &Unpacked) -> Result<(), Error> {
    let libraries = toolchain.root.join("usr/lib");
    let llvm = names(&libraries).into_iter().find(|name| name.starts_with("llvm-"));
    let llvm = llvm.ok_or_else(|| Error::new("Debian's packages brought no LLVM"))?;
    let version = output(toolchain.rustc()?.arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| Error::new("rustc does not name its host"))?;
    let folder = libraries.join("rustlib").join(host).join("bin");
    fs::create_dir_all(&folder).context("cannot make a folder for the linker")?;
    std::os::unix::fs::symlink(
        Path::new("../../..").join(llvm).join("bin/lld"),
        folder.join("rust-lld"),
    )
    .context("cannot place the linker")
}

/// Builds the standard library as it is released: optimised, in one piece, and with the bitcode
/// that a build with link-time optimisation asks for.
fn build_standard_library(toolchain: &Unpacked, new: &Path, into: &Path) -> Result<(), Error> {
    let package = new.join("std");
    fs::create_dir_all(package.join("src")).context("cannot make a package")?;
    fs::write(package.join("Cargo.toml"), NOTHING).context("cannot write a manifest")?;
    fs::write(package.join("src/lib.rs"), "#![no_std]\n").context("cannot write a library")?;

    let source = toolchain.root.join("usr/lib/rustlib/src/rust/library");
    let vendored = source.join("vendor");
    let mut cargo = process::cargo();
    toolchain.enter(&mut cargo)?;
    cargo.current_dir(&package).args(["build", "--quiet", "--release", "--target", TARGET]);
    cargo.args(["-Zbuild-std=std,panic_abort", "--config", "source.crates-io.replace-with='std'"]);
    cargo.arg("--config").arg(format!("source.std.directory='{}'", vendored.display()));
    // Only this one build asks for what a stable compiler does not offer: its own library.
    cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Cembed-bitcode=yes");
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS").env("CARGO_TARGET_DIR", new.join("target"));
    run(&mut cargo)?;

    fs::create_dir_all(into).context("cannot make a folder for the standard library")?;
    let built = new.join("target").join(TARGET).join("release/deps");
    for name in names(&built) {
        if name.ends_with(".rlib") && !name.starts_with("libnothing-") {
            fs::copy(built.join(&name), into.join(&name)).context("cannot copy the library")?;
        }
    }
    Ok(())
}

/// Returns the names in a folder, in order; there are none in a folder that cannot be read.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Removes a folder, which may be absent.
fn remove(folder: &Path) -> Result<(), Error> {
    if !folder.exists() {
        return Ok(());
    }
    fs::remove_dir_all(folder).context(format_args!("cannot remove {}", folder.display()))
}

/// What the `worker` crate asks for.
const MIN_VERSION: &str = "1.91";

const PREFIX: &str = "rust-";

const PROBE: &str = "\
#[unsafe(no_mangle)]
pub extern \"C\" fn probe(size: usize) -> usize {
    vec![1u8; size].len()
}
";

const NOTHING: &str = "\
[package]
name = \"nothing\"
edition = \"2024\"
[workspace]
[profile.release]
codegen-units = 1
debug = false
";
