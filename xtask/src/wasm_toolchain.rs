//! Finds or builds a Rust toolchain for `wasm32-unknown-unknown`.
//!
//! It tries the active toolchain, then `rustup target add`, then Debian packages. The packages are
//! for machines on which rustup cannot download anything, and are unpacked into the cache folder
//! only. If Debian has no standard library for wasm, it is built from Debian's source package and
//! the dependencies vendored in it.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo::{self, cargo};
use crate::debian::{self, Archive};
use crate::error::{Context, Error};
use crate::paths;
use crate::process::{command, output, run, say};

/// The compilation target of the Worker.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// A Rust toolchain that compiles and links for [`TARGET`].
pub(crate) struct WasmToolchain {
    /// The toolchain in the cache, or `None` for the active one.
    unpacked: Option<Unpacked>,
}

impl WasmToolchain {
    /// Finds a toolchain or builds one, which takes a minute or two.
    ///
    /// # Errors
    ///
    /// If there is no toolchain and none can be built.
    pub(crate) fn find_or_build() -> Result<Self, Error> {
        let active = Self { unpacked: None };
        if active.links() || added_by_rustup(&active) {
            return Ok(active);
        }
        let cache = paths::cache()?.join("wasm-toolchain");
        fs::create_dir_all(&cache).context(format_args!("cannot create {}", cache.display()))?;
        let lock = cache.join("lock");
        let lock = File::create(&lock).context(format_args!("cannot create {}", lock.display()))?;
        // Held until this function returns: another xtask waits for the toolchain.
        lock.lock().context("cannot lock the toolchain cache")?;
        if let Some(root) = cached(&cache) {
            return Ok(Self { unpacked: Some(root) });
        }
        build(&cache).map(|root| Self { unpacked: Some(root) }).context(format_args!(
            "no Rust toolchain for {TARGET}; run `rustup target add {TARGET}`; cannot build one \
             from Debian packages"
        ))
    }

    /// Returns a call of this toolchain's cargo at the root of the checkout. It compiles for
    /// [`TARGET`] into [`target_folder`].
    pub(crate) fn cargo(&self, subcommand: &str) -> Result<Command, Error> {
        let mut cargo = cargo();
        self.activate(&mut cargo)?;
        let folder = target_folder()?;
        self.clear_if_stale(&folder)?;
        cargo.env("CARGO_TARGET_DIR", folder).args([subcommand, "--target", TARGET]);
        Ok(cargo)
    }

    /// Clears the target folder if another standard library filled it.
    ///
    /// Cargo checks only the version of the compiler, and two builds of the same version of the
    /// standard library are incompatible.
    fn clear_if_stale(&self, folder: &Path) -> Result<(), Error> {
        let identity = match &self.unpacked {
            Some(unpacked) => unpacked.identity()?,
            None => "active".to_owned(),
        };
        let stamp = folder.join("toolchain");
        if fs::read_to_string(&stamp).is_ok_and(|stamped| stamped == identity) {
            return Ok(());
        }
        remove(folder)?;
        fs::create_dir_all(folder).context(format_args!("cannot create {}", folder.display()))?;
        fs::write(&stamp, identity).context(format_args!("cannot write {}", stamp.display()))
    }

    fn links(&self) -> bool {
        let mut rustc = command("rustc", paths::root());
        self.activate(&mut rustc).is_ok() && links(&mut rustc)
    }

    fn activate(&self, command: &mut Command) -> Result<(), Error> {
        match &self.unpacked {
            Some(unpacked) => unpacked.activate(command),
            None => Ok(()),
        }
    }
}

/// Returns the target folder of wasm builds.
///
/// Native builds use another folder, because their compiler may differ: in a shared folder, each
/// would discard the other's artifacts.
pub(crate) fn target_folder() -> Result<PathBuf, Error> {
    Ok(cargo::target_folder()?.join("wasm"))
}

/// A toolchain unpacked from Debian packages. Its sysroot is `usr` in `root`.
struct Unpacked {
    root: PathBuf,
}

impl Unpacked {
    /// Makes `command` and its child processes use this toolchain.
    fn activate(&self, command: &mut Command) -> Result<(), Error> {
        let inherited = env::var_os("PATH").unwrap_or_default();
        let path = [self.root.join("usr/bin")].into_iter().chain(env::split_paths(&inherited));
        let path = env::join_paths(path).context("cannot add the cache folder to PATH")?;
        command.env("PATH", path).env("LD_LIBRARY_PATH", self.libraries()?);
        // Each of these would select another compiler.
        for variable in ["RUSTC", "RUSTDOC", "RUSTC_BOOTSTRAP", "RUSTUP_TOOLCHAIN"] {
            command.env_remove(variable);
        }
        command.env_remove("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER");
        Ok(())
    }

    /// Returns the folder of the shared libraries, such as `usr/lib/x86_64-linux-gnu`.
    fn libraries(&self) -> Result<PathBuf, Error> {
        let folder = self.root.join("usr/lib");
        let holds_compiler = |folder: &PathBuf| {
            names(folder).iter().any(|file| file.starts_with("librustc_driver-"))
        };
        let folders = names(&folder).into_iter().map(|name| folder.join(name));
        let found = folders.into_iter().find(holds_compiler);
        found.ok_or_else(|| Error::new(format!("no compiler in {}", folder.display())))
    }

    /// Returns a text that differs for each toolchain, even for one rebuilt in the same folder.
    fn identity(&self) -> Result<String, Error> {
        let library = self.root.join("usr/lib/rustlib").join(TARGET).join("lib");
        let modified = fs::metadata(&library).and_then(|folder| folder.modified());
        let modified =
            modified.context(format_args!("cannot read the time of {}", library.display()))?;
        Ok(format!("{} {modified:?}", library.display()))
    }

    fn rustc(&self) -> Result<Command, Error> {
        let mut rustc = command(self.root.join("usr/bin/rustc"), &self.root);
        self.activate(&mut rustc)?;
        Ok(rustc)
    }
}

fn added_by_rustup(active: &WasmToolchain) -> bool {
    let disabled = env::var("RUSTUP_AUTO_INSTALL").is_ok_and(|value| value == "0");
    !disabled
        && paths::on_path("rustup").is_some()
        && run(command("rustup", paths::root()).args(["target", "add", TARGET])).is_ok()
        && active.links()
}

/// Returns whether a compiler builds a library that allocates. It may lack its linker or its
/// standard library.
fn links(rustc: &mut Command) -> bool {
    let probe = env::temp_dir().join(format!("nacre-wasm-probe-{}.wasm", std::process::id()));
    rustc.args(["--crate-type", "cdylib", "--edition", "2024", "--target", TARGET, "-o"]);
    rustc.arg(&probe).arg("-").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let linked = rustc.spawn().is_ok_and(|mut child| {
        // A compiler that does not read its input does not work.
        let written = child.stdin.take().map(|mut input| input.write_all(PROBE.as_bytes()));
        matches!(written, Some(Ok(()))) & child.wait().is_ok_and(|status| status.success())
    });
    let _ = fs::remove_file(probe);
    linked
}

/// Returns a toolchain from the cache. Only complete ones have a name with [`PREFIX`].
fn cached(cache: &Path) -> Option<Unpacked> {
    let complete = names(cache).into_iter().filter(|name| name.starts_with(PREFIX));
    let mut toolchains = complete.map(|name| Unpacked { root: cache.join(name) });
    toolchains.find(|toolchain| toolchain.rustc().is_ok_and(|mut rustc| links(&mut rustc)))
}

fn build(cache: &Path) -> Result<Unpacked, Error> {
    let new = cache.join("new");
    // An interrupted run may have left it.
    remove(&new)?;
    let archive = Archive::open(&new.join("apt"))?;
    let (base, version) = archive
        .newest(&["rustc", "rustc-web"])
        .filter(|(_, version)| debian::at_least(version, MIN_VERSION))
        .ok_or_else(|| Error::new(format!("Debian has no rustc {MIN_VERSION} or newer")))?;
    say(&format!("building a toolchain for {TARGET} from Debian's {base} {version}"));

    let toolchain = Unpacked { root: new.join("root") };
    fs::create_dir(&toolchain.root).context("cannot create a folder for the toolchain")?;
    archive.unpack(&packages(&archive, base, &version)?, &toolchain.root)?;
    link_linker(&toolchain)?;
    let libraries = toolchain.root.join("usr/lib/rustlib").join(TARGET).join("lib");
    if !libraries.is_dir() {
        build_standard_library(&toolchain, &new, &libraries)?;
    }
    if !links(&mut toolchain.rustc()?) {
        return Err(Error::new("the toolchain from Debian packages does not link"));
    }
    // The sources are large and no longer needed.
    remove(&toolchain.root.join("usr/src"))?;
    remove(&toolchain.root.join("usr/lib/rustlib/src"))?;
    remove(&toolchain.root.join("usr/share"))?;
    let complete = cache.join(format!("{PREFIX}{version}"));
    remove(&complete)?;
    fs::rename(&toolchain.root, &complete).context("cannot rename the toolchain folder")?;
    remove(&new)?;
    say(&format!("built {}", complete.display()));
    Ok(Unpacked { root: complete })
}

/// Returns the packages to unpack as `name=version`: compiler, both standard libraries, linker,
/// clippy.
fn packages(archive: &Archive, base: &str, version: &str) -> Result<Vec<String>, Error> {
    let flavour = base.strip_prefix("rustc").unwrap_or_default();
    let standard = format!("libstd-rust{flavour}-dev={version}");
    let mut wanted = vec![format!("{base}={version}"), standard.clone()];
    let shared = archive.dependencies(&standard)?;
    for library in shared.iter().filter(|name| name.starts_with("libstd-rust")) {
        let library = format!("{library}={version}");
        let needs = archive.dependencies(&library)?;
        // The linker must be from the LLVM that the compiler links.
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

/// Links LLVM's linker to the path at which rustc expects it.
fn link_linker(toolchain: &Unpacked) -> Result<(), Error> {
    let libraries = toolchain.root.join("usr/lib");
    let llvm = names(&libraries).into_iter().find(|name| name.starts_with("llvm-"));
    let llvm = llvm.ok_or_else(|| Error::new("the Debian packages contain no LLVM"))?;
    let version = output(toolchain.rustc()?.arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| Error::new("rustc -vV reports no host"))?;
    let folder = libraries.join("rustlib").join(host).join("bin");
    fs::create_dir_all(&folder).context("cannot create a folder for the linker")?;
    std::os::unix::fs::symlink(
        Path::new("../../..").join(llvm).join("bin/lld"),
        folder.join("rust-lld"),
    )
    .context("cannot link the linker")
}

/// Builds the standard library as Rust releases it: optimised, in one codegen unit, and with the
/// bitcode that link-time optimisation needs.
fn build_standard_library(toolchain: &Unpacked, new: &Path, into: &Path) -> Result<(), Error> {
    let package = new.join("std");
    fs::create_dir_all(package.join("src")).context("cannot create a package")?;
    fs::write(package.join("Cargo.toml"), STD_MANIFEST).context("cannot write Cargo.toml")?;
    fs::write(package.join("src/lib.rs"), "#![no_std]\n").context("cannot write src/lib.rs")?;

    let source = toolchain.root.join("usr/lib/rustlib/src/rust/library");
    let vendored = source.join("vendor");
    let mut cargo = cargo();
    toolchain.activate(&mut cargo)?;
    cargo.current_dir(&package).args(["build", "--quiet", "--release", "--target", TARGET]);
    cargo.args(["-Zbuild-std=std,panic_abort", "--config", "source.crates-io.replace-with='std'"]);
    cargo.arg("--config").arg(format!("source.std.directory='{}'", vendored.display()));
    // Only this build needs an unstable feature: building the standard library.
    cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Cembed-bitcode=yes");
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS").env("CARGO_TARGET_DIR", new.join("target"));
    run(&mut cargo)?;

    fs::create_dir_all(into).context("cannot create a folder for the standard library")?;
    let built = new.join("target").join(TARGET).join("release/deps");
    for name in names(&built) {
        if name.ends_with(".rlib") && !name.starts_with("libnothing-") {
            fs::copy(built.join(&name), into.join(&name)).context("cannot copy the library")?;
        }
    }
    Ok(())
}

/// Returns the sorted names in a folder, or none if it cannot be read.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Removes a folder if it exists.
fn remove(folder: &Path) -> Result<(), Error> {
    if !folder.exists() {
        return Ok(());
    }
    fs::remove_dir_all(folder).context(format_args!("cannot remove {}", folder.display()))
}

/// The oldest compiler that the `worker` crate supports.
const MIN_VERSION: &str = "1.91";

const PREFIX: &str = "rust-";

const PROBE: &str = "\
#[unsafe(no_mangle)]
pub extern \"C\" fn probe(size: usize) -> usize {
    vec![1u8; size].len()
}
";

const STD_MANIFEST: &str = "\
[package]
name = \"nothing\"
edition = \"2024\"
[workspace]
[profile.release]
codegen-units = 1
debug = false
";
