//! The module tree of a crate, read from its source files.

use alloc::collections::BTreeMap;

use syn::{Expr, ExprLit, Item, Lit, Meta, UseTree, Visibility};

use super::cfg::is_for_tests;

/// The text of each file of a crate, by its path below `src/`.
pub(crate) type Sources = BTreeMap<String, String>;

/// A crate's modules. Modules that are compiled for tests only are left out.
pub(crate) struct Tree {
    /// The first is the crate's root.
    pub(crate) modules: Vec<Module>,
    /// Each file as it was parsed, and the module that it is.
    pub(crate) files: Vec<(ModuleId, syn::File)>,
}

pub(crate) type ModuleId = usize;

/// The crate's root.
pub(crate) const ROOT: ModuleId = 0;

/// A module: a file, or a block within one.
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) parent: Option<ModuleId>,
    pub(crate) scope: Scope,
}

/// The names that a module or a block binds.
#[derive(Default)]
pub(crate) struct Scope {
    pub(crate) names: BTreeMap<String, Vec<Binding>>,
    /// The path of each `use path::*`.
    pub(crate) globs: Vec<Vec<String>>,
}

#[derive(Clone)]
pub(crate) enum Binding {
    Item,
    Module(ModuleId),
    /// The path of an import. A re-export is one too.
    Use(Vec<String>),
}

/// An import: one leaf of a `use` item.
pub(crate) struct Leaf {
    pub(crate) path: Vec<String>,
    /// The name that it binds, or `None` for `*`.
    pub(crate) name: Option<String>,
}

impl Tree {
    /// Reads the crate whose root is `lib.rs` or `main.rs`.
    ///
    /// # Panics
    ///
    /// If a file does not parse or a declared module has no file.
    pub(crate) fn read(sources: &Sources) -> Self {
        let roots = ["lib.rs", "main.rs"].into_iter().filter(|root| sources.contains_key(*root));
        let roots: Vec<_> = roots.collect();
        let [root] = roots.as_slice() else { panic!("a crate has one root, not {roots:?}") };
        let mut tree = Self { modules: Vec::new(), files: Vec::new() };
        tree.add_file(sources, root, "", "crate", None);
        tree.bind_exported_macros();
        tree
    }

    /// Binds the macros that `#[macro_export]` puts into the root.
    fn bind_exported_macros(&mut self) {
        let exported = self.files.iter().flat_map(|(module, file)| {
            let macros = file.items.iter().filter_map(|item| match item {
                Item::Macro(it) if has(&it.attrs, "macro_export") => it.ident.as_ref(),
                _ => None,
            });
            macros.map(|name| (*module, name.to_string()))
        });
        let exported: Vec<_> = exported.filter(|(module, _)| *module != ROOT).collect();
        for (module, name) in exported {
            let path = self.path(module).into_iter().chain([name.clone()]).collect();
            self.modules[ROOT].scope.bind(&name, Binding::Use(path));
        }
    }

    fn path(&self, id: ModuleId) -> Vec<String> {
        let module = &self.modules[id];
        let mut path = module.parent.map(|parent| self.path(parent)).unwrap_or_default();
        path.push(module.name.clone());
        path
    }

    fn add_file(
        &mut self,
        sources: &Sources,
        file: &str,
        folder: &str,
        name: &str,
        parent: Option<ModuleId>,
    ) -> ModuleId {
        let text = &sources[file];
        let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let id = self.add_module(sources, file, folder, name, parent, &parsed.items);
        self.files.push((id, parsed));
        id
    }

    fn add_module(
        &mut self,
        sources: &Sources,
        file: &str,
        folder: &str,
        name: &str,
        parent: Option<ModuleId>,
        items: &[Item],
    ) -> ModuleId {
        let id = self.modules.len();
        let (name, scope) = (name.to_owned(), Scope::of(items));
        self.modules.push(Module { name, file: file.to_owned(), parent, scope });
        for item in items {
            let Item::Mod(child) = item else { continue };
            if is_for_tests(&child.attrs) {
                continue;
            }
            let name = child.ident.to_string();
            let inside = format!("{folder}{name}/");
            let flat = format!("{folder}{name}.rs");
            let nested = format!("{inside}mod.rs");
            let child = if let Some((_, items)) = &child.content {
                self.add_module(sources, file, &inside, &name, Some(id), items)
            } else if let Some(path) = path_attribute(&child.attrs) {
                // A file of another crate, which imports nothing from this one.
                self.add_module(sources, &path, &inside, &name, Some(id), &[])
            } else if sources.contains_key(&flat) {
                self.add_file(sources, &flat, &inside, &name, Some(id))
            } else if sources.contains_key(&nested) {
                self.add_file(sources, &nested, &inside, &name, Some(id))
            } else {
                panic!("{file} declares the module {name}, but {flat} does not exist");
            };
            self.modules[id].scope.bind(&name, Binding::Module(child));
        }
        id
    }

    /// Returns the module that `parent` declares by a name.
    pub(crate) fn child(&self, parent: ModuleId, name: &str) -> Option<ModuleId> {
        let bindings = self.modules[parent].scope.names.get(name)?;
        bindings.iter().find_map(|binding| match binding {
            Binding::Module(id) => Some(*id),
            Binding::Item | Binding::Use(_) => None,
        })
    }

    /// Returns the module at the top of the crate that holds `id`, or `None` for the root.
    pub(crate) fn top(&self, mut id: ModuleId) -> Option<&str> {
        loop {
            let module = &self.modules[id];
            match module.parent? {
                ROOT => return Some(&module.name),
                parent => id = parent,
            }
        }
    }

    /// Returns the file that defines a macro, if only one file does.
    pub(crate) fn macro_file(&self, name: &str) -> Option<&str> {
        let defines = |file: &&(ModuleId, syn::File)| {
            file.1.items.iter().any(|item| {
                matches!(item, Item::Macro(it) if it.ident.as_ref().is_some_and(|it| it == name))
            })
        };
        let mut files = self.files.iter().filter(defines);
        let first = files.next()?;
        files.next().is_none().then(|| self.modules[first.0].file.as_str())
    }
}

impl Scope {
    /// Binds the names of items, except modules, which are bound when they are added to the tree.
    pub(crate) fn of<'a>(items: impl IntoIterator<Item = &'a Item>) -> Self {
        let mut scope = Self::default();
        for item in items {
            scope.add(item);
        }
        scope
    }

    fn add(&mut self, item: &Item) {
        let (attrs, ident) = match item {
            Item::Const(it) => (&it.attrs, Some(&it.ident)),
            Item::Enum(it) => (&it.attrs, Some(&it.ident)),
            Item::Fn(it) => (&it.attrs, Some(&it.sig.ident)),
            Item::Macro(it) => (&it.attrs, it.ident.as_ref()),
            Item::Static(it) => (&it.attrs, Some(&it.ident)),
            Item::Struct(it) => (&it.attrs, Some(&it.ident)),
            Item::Trait(it) => (&it.attrs, Some(&it.ident)),
            Item::TraitAlias(it) => (&it.attrs, Some(&it.ident)),
            Item::Type(it) => (&it.attrs, Some(&it.ident)),
            Item::Union(it) => (&it.attrs, Some(&it.ident)),
            Item::Use(it) => (&it.attrs, None),
            _ => return,
        };
        if is_for_tests(attrs) {
            return;
        }
        if let Some(ident) = ident {
            self.bind(&ident.to_string(), Binding::Item);
        }
        let Item::Use(item) = item else { return };
        for leaf in leaves(item) {
            match leaf.name {
                Some(name) => self.bind(&name, Binding::Use(leaf.path)),
                None => self.globs.push(leaf.path),
            }
        }
    }

    fn bind(&mut self, name: &str, binding: Binding) {
        self.names.entry(name.to_owned()).or_default().push(binding);
    }
}

/// Returns the leaves of a `use` item, or none if it starts with `::` and so names another crate.
pub(crate) fn leaves(item: &syn::ItemUse) -> Vec<Leaf> {
    let mut found = Vec::new();
    if item.leading_colon.is_none() {
        collect(&item.tree, &mut Vec::new(), &mut found);
    }
    found
}

fn collect(tree: &UseTree, path: &mut Vec<String>, found: &mut Vec<Leaf>) {
    match tree {
        UseTree::Path(it) => {
            path.push(it.ident.to_string());
            collect(&it.tree, path, found);
            path.pop();
        }
        UseTree::Group(it) => it.items.iter().for_each(|tree| collect(tree, path, found)),
        UseTree::Glob(_) => found.push(Leaf { path: path.clone(), name: None }),
        UseTree::Name(it) => found.push(leaf(path, &it.ident, None)),
        UseTree::Rename(it) => found.push(leaf(path, &it.ident, Some(&it.rename))),
    }
}

/// Makes the leaf of `path::ident`. `path::{self}` imports `path` by its last name.
fn leaf(path: &[String], ident: &syn::Ident, rename: Option<&syn::Ident>) -> Leaf {
    let mut path = path.to_vec();
    if ident != "self" || path.is_empty() {
        path.push(ident.to_string());
    }
    let name = rename.map(ToString::to_string).or_else(|| path.last().cloned());
    Leaf { path, name }
}

/// Returns whether an import is also a re-export.
pub(crate) fn is_re_export(item: &syn::ItemUse) -> bool {
    !matches!(item.vis, Visibility::Inherited)
}

/// Returns the path in `#[path = "…"]`.
fn path_attribute(attrs: &[syn::Attribute]) -> Option<String> {
    attrs.iter().find_map(|attr| match &attr.meta {
        Meta::NameValue(meta) if meta.path.is_ident("path") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(path), .. }) => Some(path.value()),
            _ => None,
        },
        _ => None,
    })
}

fn has(attrs: &[syn::Attribute], name: &str) -> bool {
    attrs.iter().any(|attr| attr.path().is_ident(name))
}
