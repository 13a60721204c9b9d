//! What all validated strings have in common: parsing, borrowing, comparing, printing.

/// Gives `$name<S>`, a tuple struct over the text, its constructor and its everyday traits.
///
/// `$check` is a `fn(&[u8]) -> Result<(), $error>`: the grammar, which allocates nothing and lets
/// through nothing but UTF-8.
macro_rules! text_type {
    ($name:ident, $error:ident, $check:path) => {
        impl $name {
            /// Checks bytes that nobody has looked at; all that pass are UTF-8.
            ///
            /// # Errors
            ///
            /// The error names the first rule broken.
            pub fn check(bytes: &[u8]) -> Result<(), $error> {
                $check(bytes)
            }
        }

        impl<S: AsRef<str>> $name<S> {
            /// Parses `text` and keeps it; nothing is copied.
            ///
            /// # Errors
            ///
            /// The error names the first rule broken.
            pub fn parse(text: S) -> Result<Self, $error> {
                $check(text.as_ref().as_bytes())?;
                Ok(Self(text))
            }

            /// Returns the text as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_ref()
            }

            /// Returns the same over a borrowed text, for those who take `&str` inside; nothing is
            /// parsed again.
            #[must_use]
            pub fn as_deref(&self) -> $name<&str> {
                $name(self.as_str())
            }

            /// Returns the same over a text of its own, for those who keep it; nothing is parsed
            /// again.
            #[must_use]
            pub fn to_owned(&self) -> $name {
                $name(self.as_str().into())
            }

            /// Gives back what holds the text.
            #[must_use]
            pub fn into_inner(self) -> S {
                self.0
            }
        }

        impl core::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                $name::parse(text).map(|parsed| parsed.to_owned())
            }
        }

        impl From<$name> for alloc::string::String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl<S: AsRef<str>> AsRef<str> for $name<S> {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl<S: AsRef<str>> core::borrow::Borrow<str> for $name<S> {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl<S: AsRef<str>, T: AsRef<str>> PartialEq<$name<T>> for $name<S> {
            fn eq(&self, other: &$name<T>) -> bool {
                self.as_str() == other.as_str()
            }
        }

        impl<S: AsRef<str>> PartialEq<str> for $name<S> {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl<S: AsRef<str>> PartialEq<&str> for $name<S> {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        impl<S: AsRef<str>> Eq for $name<S> {}

        impl<S: AsRef<str>, T: AsRef<str>> PartialOrd<$name<T>> for $name<S> {
            fn partial_cmp(&self, other: &$name<T>) -> Option<core::cmp::Ordering> {
                Some(self.as_str().cmp(other.as_str()))
            }
        }

        impl<S: AsRef<str>> Ord for $name<S> {
            fn cmp(&self, other: &Self) -> core::cmp::Ordering {
                self.as_str().cmp(other.as_str())
            }
        }

        impl<S: AsRef<str>> core::hash::Hash for $name<S> {
            // `Borrow<str>` promises the hash of the text itself.
            fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
                self.as_str().hash(state);
            }
        }

        impl<S: AsRef<str>> core::fmt::Display for $name<S> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl<S: AsRef<str>> core::fmt::Debug for $name<S> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Debug::fmt(self.as_str(), f)
            }
        }

        #[cfg(feature = "serde")]
        impl<S: AsRef<str>> serde::Serialize for $name<S> {
            fn serialize<Z: serde::Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text =
                    <alloc::string::String as serde::Deserialize>::deserialize(deserializer)?;
                Self::parse(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Returns whether all bytes are of a class.
///
/// Sixteen are looked at together, which compilers make vector instructions of; so that no few are
/// left, the last sixteen may be in part those of the block before.
#[inline(always)]
pub(crate) fn all(bytes: &[u8], class: impl Fn(u8) -> bool) -> bool {
    let of_class = |block: &[u8; BLOCK]| block.iter().fold(true, |all, &byte| all & class(byte));
    match bytes.last_chunk() {
        Some(last) => bytes.as_chunks().0.iter().all(of_class) && of_class(last),
        None => bytes.iter().all(|&byte| class(byte)),
    }
}

/// Returns what is before the first of these bytes, and what is after it.
#[inline(always)]
pub(crate) fn split_once(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = bytes.iter().position(|&byte| byte == at)?;
    Some((bytes.get(..place)?, bytes.get(place + 1..)?))
}

/// Returns what is before the last of these bytes, and what is after it.
#[inline(always)]
pub(crate) fn rsplit_once(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = bytes.iter().rposition(|&byte| byte == at)?;
    Some((bytes.get(..place)?, bytes.get(place + 1..)?))
}

const BLOCK: usize = 16;
