//! Finds the imports between the files of a crate.

use alloc::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{Attribute, Block, File, Item, ItemMacro, ItemMod, ItemUse, Macro, Meta, Path, Stmt};

use super::cfg::is_for_tests;
use super::resolve::{Kind, Place, Target};
use super::tokens::{Paths, paths_in_strings};
use super::tree::{ModuleId, Scope, Tree, is_re_export, leaves};

/// A name that one file takes from another.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Import {
    pub(crate) from: String,
    /// The top-level module of the file, or `None` for the root.
    pub(crate) importer: Option<String>,
    /// The file that defines the name, whichever modules re-export it.
    pub(crate) to: String,
    pub(crate) name: String,
    /// The top-level modules on the way to the definition, that of the definition included.
    pub(crate) through: BTreeSet<String>,
    /// Whether this is only a re-export, and the file itself does not use the name.
    pub(crate) re_export: bool,
}

/// Returns all imports of a crate.
pub(crate) fn imports(tree: &Tree) -> BTreeSet<Import> {
    let mut found = BTreeSet::new();
    let macros = macro_prefixes(tree);
    for (module, file) in &tree.files {
        let blocks = Vec::new();
        let mut reader =
            Reader { tree, macros: &macros, module: *module, blocks, found: &mut found };
        reader.visit_file(file);
    }
    found
}

/// Returns the prefixes that each macro puts before its variables.
fn macro_prefixes(tree: &Tree) -> BTreeMap<String, Vec<Vec<String>>> {
    let items = tree.files.iter().flat_map(|(_, file)| &file.items);
    let macros = items.filter_map(|item| match item {
        Item::Macro(it) => Some((it.ident.as_ref()?.to_string(), Paths::of(&it.mac.tokens))),
        _ => None,
    });
    macros.map(|(name, paths)| (name, paths.prefixes)).collect()
}

struct Reader<'a> {
    tree: &'a Tree,
    macros: &'a BTreeMap<String, Vec<Vec<String>>>,
    module: ModuleId,
    blocks: Vec<Scope>,
    found: &'a mut BTreeSet<Import>,
}

impl Reader<'_> {
    fn place(&self) -> Place<'_> {
        Place { module: self.module, blocks: &self.blocks }
    }

    /// Adds the items that a path names, but no modules: code cannot use a module itself.
    fn add_path(&mut self, path: &[String]) {
        for target in self.tree.resolve(self.place(), path) {
            if matches!(target.kind, Kind::Item(..)) {
                self.add(target, false);
            }
        }
    }

    fn add(&mut self, target: Target, re_export: bool) {
        let (module, name) = match target.kind {
            Kind::Module(id) => (id, self.tree.modules[id].name.clone()),
            Kind::Item(id, name) => (id, name),
        };
        let through = target.through.into_iter().chain([module]);
        let through = through.filter_map(|id| self.tree.top(id)).map(str::to_owned).collect();
        self.add_from(self.tree.modules[module].file.clone(), name, through, re_export);
    }

    fn add_from(&mut self, to: String, name: String, through: BTreeSet<String>, re_export: bool) {
        let from = self.tree.modules[self.module].file.clone();
        if from != to {
            let importer = self.tree.top(self.module).map(str::to_owned);
            self.found.insert(Import { from, importer, to, name, through, re_export });
        }
    }

    fn add_tokens(&mut self, mac: &Macro) {
        let paths = Paths::of(&mac.tokens).whole;
        let prefixes = mac.path.get_ident().and_then(|name| self.macros.get(&name.to_string()));
        for path in paths {
            self.add_path(&path);
            for prefix in prefixes.into_iter().flatten() {
                let path = [prefix.as_slice(), &path].concat();
                for target in self.tree.resolve_declared(self.place(), &path) {
                    if matches!(target.kind, Kind::Item(..)) {
                        self.add(target, false);
                    }
                }
            }
        }
    }
}

/// Skips what is compiled for tests only.
macro_rules! outside_tests {
    ($($visit:ident($node:ident);)*) => {
        $(fn $visit(&mut self, node: &'ast syn::$node) {
            if !is_for_tests(&node.attrs) {
                visit::$visit(self, node);
            }
        })*
    };
}

impl<'ast> Visit<'ast> for Reader<'_> {
    outside_tests! {
        visit_arm(Arm);
        visit_expr_block(ExprBlock);
        visit_expr_call(ExprCall);
        visit_expr_method_call(ExprMethodCall);
        visit_field(Field);
        visit_field_value(FieldValue);
        visit_impl_item_const(ImplItemConst);
        visit_impl_item_fn(ImplItemFn);
        visit_impl_item_type(ImplItemType);
        visit_item_const(ItemConst);
        visit_item_enum(ItemEnum);
        visit_item_fn(ItemFn);
        visit_item_impl(ItemImpl);
        visit_item_static(ItemStatic);
        visit_item_struct(ItemStruct);
        visit_item_trait(ItemTrait);
        visit_item_type(ItemType);
        visit_item_union(ItemUnion);
        visit_local(Local);
        visit_stmt_macro(StmtMacro);
        visit_trait_item_const(TraitItemConst);
        visit_trait_item_fn(TraitItemFn);
        visit_variant(Variant);
    }

    fn visit_file(&mut self, file: &'ast File) {
        file.items.iter().for_each(|item| self.visit_item(item));
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let Some((_, items)) = &item.content else { return };
        // A module for tests is not in the tree.
        let Some(inner) = self.tree.child(self.module, &item.ident.to_string()) else { return };
        let outer = core::mem::replace(&mut self.module, inner);
        items.iter().for_each(|item| self.visit_item(item));
        self.module = outer;
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if is_for_tests(&item.attrs) {
            return;
        }
        let re_export = is_re_export(item);
        for leaf in leaves(item) {
            for target in self.tree.resolve(self.place(), &leaf.path) {
                self.add(target, re_export);
            }
        }
    }

    fn visit_block(&mut self, block: &'ast Block) {
        let items = block.stmts.iter().filter_map(|statement| match statement {
            Stmt::Item(item) => Some(item),
            Stmt::Local(_) | Stmt::Expr(..) | Stmt::Macro(_) => None,
        });
        self.blocks.push(Scope::of(items));
        visit::visit_block(self, block);
        self.blocks.pop();
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none() {
            let names: Vec<_> = path.segments.iter().map(|it| it.ident.to_string()).collect();
            self.add_path(&names);
        }
        visit::visit_path(self, path);
    }

    fn visit_item_macro(&mut self, item: &'ast ItemMacro) {
        if !is_for_tests(&item.attrs) {
            self.visit_macro(&item.mac);
        }
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        self.visit_path(&mac.path);
        self.add_tokens(mac);
        // A macro that `#[macro_use]` brings into scope is not imported by name.
        let Some(name) = mac.path.get_ident().map(ToString::to_string) else { return };
        if let Some(file) = self.tree.macro_file(&name) {
            self.add_from(file.to_owned(), name, BTreeSet::new(), false);
        }
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let Meta::List(list) = &attribute.meta else { return };
        Paths::of(&list.tokens).whole.iter().for_each(|path| self.add_path(path));
        paths_in_strings(&list.tokens).iter().for_each(|path| self.add_path(path));
    }
}
