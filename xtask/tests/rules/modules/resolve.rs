//! Resolves paths to definitions.

use alloc::collections::BTreeSet;

use super::tree::{Binding, ModuleId, ROOT, Scope, Tree};

/// The position of a path: its module and the blocks around it, the innermost last.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) module: ModuleId,
    pub(crate) blocks: &'a [Scope],
}

/// A definition that a path names.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Target {
    pub(crate) kind: Kind,
    /// The modules in which the path, and the re-exports on its way, look up names.
    pub(crate) through: BTreeSet<ModuleId>,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    Module(ModuleId),
    /// An item of this name, defined in this module.
    Item(ModuleId, String),
}

impl Tree {
    /// Returns the definitions that a path names in this crate.
    ///
    /// There are several if a module and an item share a name, and none if it is a name of another
    /// crate or of a local variable.
    ///
    /// A name that a module does not declare counts as defined there: a macro may define it. A path
    /// is followed to its first item; the rest are variants or associated items.
    pub(crate) fn resolve(&self, place: Place<'_>, path: &[String]) -> Vec<Target> {
        self.walk(place, path, &mut BTreeSet::new(), Missing::IsDefinedThere)
    }

    /// Does the same, but ignores names that are not declared.
    pub(crate) fn resolve_declared(&self, place: Place<'_>, path: &[String]) -> Vec<Target> {
        self.walk(place, path, &mut BTreeSet::new(), Missing::IsUnknown)
    }

    fn walk(
        &self,
        place: Place<'_>,
        path: &[String],
        seen: &mut BTreeSet<(ModuleId, String)>,
        missing: Missing,
    ) -> Vec<Target> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let mut targets = match first.as_str() {
            "crate" => vec![Target::module(ROOT)],
            "self" => vec![Target::module(place.module)],
            "super" => self.parent(place.module),
            _ => self.in_scope(place, first, seen),
        };
        for name in rest {
            let module = targets.iter().find_map(|target| match target.kind {
                Kind::Module(id) => Some((id, target.through.clone())),
                Kind::Item(..) => None,
            });
            let Some((module, through)) = module else { break };
            targets = match name.as_str() {
                "super" => self.parent(module),
                _ => self.member(module, name, seen),
            };
            if targets.is_empty() && missing == Missing::IsDefinedThere {
                targets.push(Target::item(module, name));
            }
            for target in &mut targets {
                target.through.extend(through.iter().copied().chain([module]));
            }
        }
        targets
    }

    /// Looks up the first name of a path.
    fn in_scope(
        &self,
        place: Place<'_>,
        name: &str,
        seen: &mut BTreeSet<(ModuleId, String)>,
    ) -> Vec<Target> {
        for (depth, block) in place.blocks.iter().enumerate().rev() {
            // The path of an import may start with a name from outside the block.
            let outside = Place { blocks: &place.blocks[..depth], ..place };
            if let Some(bindings) = block.names.get(name) {
                let found = bindings.iter().flat_map(|binding| match binding {
                    Binding::Use(path) => self.walk(outside, path, seen, Missing::IsDefinedThere),
                    Binding::Item | Binding::Module(_) => vec![Target::item(place.module, name)],
                });
                return found.collect();
            }
            let found = self.through_globs(outside, &block.globs, name, seen);
            if !found.is_empty() {
                return found;
            }
        }
        self.member(place.module, name, seen)
    }

    /// Returns the definitions of `name` in a module, and follows its imports and re-exports.
    fn member(
        &self,
        module: ModuleId,
        name: &str,
        seen: &mut BTreeSet<(ModuleId, String)>,
    ) -> Vec<Target> {
        let first = seen.insert((module, name.to_owned()));
        let scope = &self.modules[module].scope;
        let place = Place { module, blocks: &[] };
        let mut found = Vec::new();
        for binding in scope.names.get(name).into_iter().flatten() {
            match binding {
                Binding::Item => found.push(Target::item(module, name)),
                Binding::Module(id) => found.push(Target::module(*id)),
                // A path may lead back here: `mod a; use self::a::a;`. Then it names the module.
                Binding::Use(path) if first => {
                    found.extend(self.walk(place, path, seen, Missing::IsDefinedThere));
                }
                Binding::Use(_) => {}
            }
        }
        if first && found.is_empty() {
            found = self.through_globs(place, &scope.globs, name, seen);
        }
        if first {
            seen.remove(&(module, name.to_owned()));
        }
        found
    }

    fn through_globs(
        &self,
        place: Place<'_>,
        globs: &[Vec<String>],
        name: &str,
        seen: &mut BTreeSet<(ModuleId, String)>,
    ) -> Vec<Target> {
        let found = globs.iter().flat_map(|glob| {
            let path: Vec<_> = glob.iter().cloned().chain([name.to_owned()]).collect();
            self.walk(place, &path, seen, Missing::IsUnknown)
        });
        found.collect()
    }

    fn parent(&self, module: ModuleId) -> Vec<Target> {
        self.modules[module].parent.map(Target::module).into_iter().collect()
    }
}

/// The treatment of a name that its module does not declare.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Missing {
    IsDefinedThere,
    IsUnknown,
}

impl Target {
    fn module(id: ModuleId) -> Self {
        Self { kind: Kind::Module(id), through: BTreeSet::new() }
    }

    fn item(module: ModuleId, name: &str) -> Self {
        Self { kind: Kind::Item(module, name.to_owned()), through: BTreeSet::new() }
    }
}
