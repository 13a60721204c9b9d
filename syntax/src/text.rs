//! What all validated strings have in common: parsing, borrowing, comparing, printing.

/// Gives `$name<S>`, a tuple struct over the text, its constructor and its everyday traits.
///
/// `$check` is a `fn(&str) -> Result<(), $error>`: the grammar, which allocates nothing.
macro_rules! text_type {
    ($name:ident, $error:ident, $check:path) => {
        impl<S: AsRef<str>> $name<S> {
            /// Parses `text` and keeps it; nothing is copied.
            ///
            /// # Errors
            ///
            /// The error names the first rule broken.
            pub fn parse(text: S) -> Result<Self, $error> {
                $check(text.as_ref())?;
                Ok(Self(text))
            }

            /// Returns the text as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_ref()
            }

            /// Borrows the text.
            #[must_use]
            pub fn as_deref(&self) -> $name<&str> {
                $name(self.as_str())
            }

            /// Copies the text.
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
