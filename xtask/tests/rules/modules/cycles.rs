//! Finds files that import each other.

use alloc::collections::{BTreeMap, VecDeque};
use core::fmt;

use super::imports::Import;

/// The files of a crate and the names that they import from each other.
///
/// Re-exports are left out: a file that only re-exports a name does not depend on it.
pub(crate) struct Graph(BTreeMap<String, BTreeMap<String, String>>);

/// Files of which each imports the next, and the last imports the first.
///
/// It prints as `a.rs -> b.rs (Name) -> a.rs (Other)`.
pub(crate) struct Cycle {
    first: String,
    steps: Vec<(String, String)>,
}

impl Graph {
    pub(crate) fn of<'a>(imports: impl IntoIterator<Item = &'a Import>) -> Self {
        let mut graph: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for import in imports.into_iter().filter(|import| !import.re_export) {
            let names = graph.entry(import.from.clone()).or_default();
            let names = names.entry(import.to.clone()).or_default();
            let separator = if names.is_empty() { "" } else { ", " };
            *names = format!("{names}{separator}{}", import.name);
        }
        Self(graph)
    }

    /// Removes what one file imports from another.
    pub(crate) fn remove(&mut self, from: &str, to: &str) {
        if let Some(imports) = self.0.get_mut(from) {
            imports.remove(to);
        }
    }

    /// Returns cycles, the shortest first, of which no two share a step. There are none only if the
    /// graph is acyclic.
    ///
    /// Each of them must be cut by itself, and cutting them may reveal others.
    pub(crate) fn into_cycles(mut self) -> Vec<Cycle> {
        let mut found = Vec::new();
        loop {
            let cycles = self.0.keys().filter_map(|file| self.shortest(file));
            let Some(cycle) = cycles.min_by_key(|cycle| cycle.steps.len()) else { return found };
            let mut from = &cycle.first;
            for (to, _) in &cycle.steps {
                self.remove(from, to);
                from = to;
            }
            found.push(cycle);
        }
    }

    /// Returns the shortest cycle through a file.
    fn shortest(&self, file: &str) -> Option<Cycle> {
        let mut reached_from = BTreeMap::new();
        let mut open = VecDeque::from([file]);
        while let Some(from) = open.pop_front() {
            for to in self.0.get(from).into_iter().flat_map(BTreeMap::keys) {
                if reached_from.contains_key(to.as_str()) {
                    continue;
                }
                reached_from.insert(to.as_str(), from);
                if to != file {
                    open.push_back(to);
                }
            }
        }
        let mut files = Vec::new();
        let mut to = file;
        while files.is_empty() || to != file {
            files.push(to);
            to = reached_from.get(to)?;
        }
        // The files are in reverse. A cycle starts at its least file, whichever it was found from.
        files.reverse();
        let least = files.iter().enumerate().min_by_key(|(_, file)| **file).map(|(at, _)| at);
        files.rotate_left(least.unwrap_or_default());
        let next = files.iter().skip(1).chain(files.first());
        let steps =
            files.iter().zip(next).map(|(from, to)| ((*to).to_owned(), self.0[*from][*to].clone()));
        let steps = steps.collect();
        Some(Cycle { first: files.first()?.to_string(), steps })
    }
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        self.steps.iter().try_for_each(|(file, names)| write!(f, " -> {file} ({names})"))
    }
}
