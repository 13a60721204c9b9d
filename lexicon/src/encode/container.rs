//! The containers that are open while JSON is encoded.

/// An array or object that is being encoded.
pub(super) struct Container {
    pub(super) is_object: bool,
    /// The offset of its head.
    pub(super) start: usize,
    /// The number of members so far.
    pub(super) len: usize,
    /// The index of its first entry, if it is an object.
    pub(super) first_entry: usize,
    /// Whether its keys were in order so far, without duplicates.
    pub(super) is_sorted: bool,
    pub(super) is_blob: bool,
    pub(super) has_type: bool,
    /// Whether it has the key `cid`, as a legacy blob reference does.
    pub(super) has_cid: bool,
}

impl Container {
    /// The pseudo-container of the outermost value.
    pub(super) const OUTSIDE: Self = Self {
        is_object: false,
        start: 0,
        len: 0,
        first_entry: 0,
        is_sorted: true,
        is_blob: false,
        has_type: false,
        has_cid: false,
    };
}
