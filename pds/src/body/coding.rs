//! `Content-Encoding` of request bodies: gzip and deflate, decoded in pieces of bounded size.
//!
//! <https://www.rfc-editor.org/rfc/rfc9110#name-content-encoding>

use core::mem;
use std::io::{self, BufRead, ErrorKind, Read};

use bytes::{Buf as _, Bytes, BytesMut};
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};
use nacre_xrpc::shown;

/// The encoding of a request body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Coding {
    /// zlib, or raw deflate, which some clients send under the same name.
    Deflate,
    /// gzip, of one member or several.
    Gzip,
    /// Not encoded.
    Identity,
}

/// One step of decoding a body. The caller reads the body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// The next decoded bytes, between 1 and 64 KiB.
    Piece(Bytes),
    /// The encoded data is complete, and so is the body.
    End,
    /// Give more bytes with [`Decoder::push`], or call [`Decoder::finish`].
    NeedMore,
}

/// The body is truncated, corrupt, followed by other data, or mostly padding.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the body does not match its Content-Encoding")]
pub struct CodingError;

/// The request names a coding that is not supported, or several; the text is for the client.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unsupported Content-Encoding: {0}; send gzip, deflate or identity")]
pub struct UnsupportedCoding(String);

/// Decodes a body without I/O: bytes are pushed as they arrive, and pieces are pulled.
///
/// An empty body decodes to an empty body. Encoded bytes may outnumber decoded ones by at most
/// 16 to 1 plus 64 KiB, so a limit on the decoded bytes is also a limit on what is read.
#[derive(Debug)]
pub struct Decoder {
    format: Format,
    /// Receives decoded bytes. Reused, because a body may arrive in very small pieces.
    buffer: Box<[u8]>,
    encoded_bytes: u64,
    decoded_bytes: u64,
}

#[derive(Debug)]
enum Format {
    Identity(Encoded),
    /// zlib or raw deflate, until the first two bytes have arrived.
    Undecided(Encoded),
    Gzip(Box<MultiGzDecoder<Encoded>>),
    Raw(Box<DeflateDecoder<Encoded>>),
    Zlib(Box<ZlibDecoder<Encoded>>),
    /// The encoded data has ended. Nothing may follow it.
    Ended(Encoded),
}

/// Bytes that have arrived but are not decoded yet. Reading returns `WouldBlock` between pushes.
#[derive(Debug, Default)]
struct Encoded {
    bytes: Bytes,
    is_last: bool,
}

impl Coding {
    /// Reads the `Content-Encoding` of a request; names are case-insensitive.
    ///
    /// # Errors
    ///
    /// [`UnsupportedCoding`] if it names another coding, or several.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, UnsupportedCoding> {
        let mut found = Self::Identity;
        let mut count = 0;
        for value in headers.get_all(header::CONTENT_ENCODING) {
            let value = value.to_str().map_err(|_| unsupported("not ASCII"))?;
            for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                count += 1;
                found = Self::parse(name).filter(|_| count == 1).ok_or_else(|| {
                    unsupported(if count == 1 { name } else { "more than one coding" })
                })?;
            }
        }
        Ok(found)
    }

    /// Reads the name of one coding, in any letter case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "deflate" => Self::Deflate,
            "gzip" | "x-gzip" => Self::Gzip,
            "identity" => Self::Identity,
            _ => return None,
        })
    }

    /// Returns the name of the coding.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Deflate => "deflate",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }
}

impl Decoder {
    /// Starts to decode a body.
    #[must_use]
    pub fn new(coding: Coding) -> Self {
        let encoded = Encoded::default();
        let format = match coding {
            Coding::Deflate => Format::Undecided(encoded),
            Coding::Gzip => Format::Gzip(Box::new(MultiGzDecoder::new(encoded))),
            Coding::Identity => Format::Identity(encoded),
        };
        let buffer = vec![0; PIECE_BYTES].into_boxed_slice();
        Self { format, buffer, encoded_bytes: 0, decoded_bytes: 0 }
    }

    /// Adds bytes of the encoded body.
    pub fn push(&mut self, bytes: Bytes) {
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.encoded_bytes = self.encoded_bytes.saturating_add(count);
        self.format.encoded().push(bytes);
    }

    /// Marks the end of the encoded body.
    pub fn finish(&mut self) {
        self.format.encoded().is_last = true;
    }

    /// Decodes the next piece.
    ///
    /// # Errors
    ///
    /// [`CodingError`] if the body is malformed. The decoder must not be used after that.
    pub fn pull(&mut self) -> Result<Step, CodingError> {
        self.choose_format();
        if self.encoded_bytes == 0 && self.format.encoded().is_last {
            return Ok(Step::End);
        }
        let piece = &mut *self.buffer;
        let read = match &mut self.format {
            Format::Undecided(_) => return Ok(Step::NeedMore),
            Format::Identity(encoded) => encoded.read(piece),
            Format::Gzip(decoder) => decoder.read(piece),
            Format::Raw(decoder) => decoder.read(piece),
            Format::Zlib(decoder) => decoder.read(piece),
            Format::Ended(_) => Ok(0),
        };
        match read {
            Ok(0) => self.end(),
            Ok(count) => {
                self.decoded_bytes += u64::try_from(count).unwrap_or(u64::MAX);
                let piece = self.buffer.get(..count).unwrap_or_default();
                Ok(Step::Piece(Bytes::copy_from_slice(piece)))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let limit = self.decoded_bytes.saturating_mul(MAX_EXPANSION) + MAX_OVERHEAD_BYTES;
                if self.encoded_bytes > limit { Err(CodingError) } else { Ok(Step::NeedMore) }
            }
            Err(_) => Err(CodingError),
        }
    }

    /// Chooses between zlib and raw deflate once two bytes, or the whole body, have arrived.
    fn choose_format(&mut self) {
        let Format::Undecided(encoded) = &mut self.format else { return };
        let is_zlib = match encoded.bytes.as_ref() {
            [first, second, ..] => is_zlib(*first, *second),
            _ if encoded.is_last => false,
            _ => return,
        };
        let encoded = mem::take(encoded);
        self.format = if is_zlib {
            Format::Zlib(Box::new(ZlibDecoder::new(encoded)))
        } else {
            Format::Raw(Box::new(DeflateDecoder::new(encoded)))
        };
    }

    /// Handles the end of the encoded data, where the body must end too.
    fn end(&mut self) -> Result<Step, CodingError> {
        let encoded = mem::take(self.format.encoded());
        let step = match &encoded {
            Encoded { bytes, .. } if !bytes.is_empty() => return Err(CodingError),
            Encoded { is_last: true, .. } => Step::End,
            _ => Step::NeedMore,
        };
        self.format = Format::Ended(encoded);
        Ok(step)
    }
}

impl Format {
    fn encoded(&mut self) -> &mut Encoded {
        match self {
            Self::Identity(encoded) | Self::Undecided(encoded) | Self::Ended(encoded) => encoded,
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Raw(decoder) => decoder.get_mut(),
            Self::Zlib(decoder) => decoder.get_mut(),
        }
    }
}

impl Encoded {
    fn push(&mut self, bytes: Bytes) {
        if self.bytes.is_empty() {
            self.bytes = bytes;
            return;
        }
        let mut joined = BytesMut::from(self.bytes.as_ref());
        joined.extend_from_slice(&bytes);
        self.bytes = joined.freeze();
    }
}

impl BufRead for Encoded {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.bytes.is_empty() && !self.is_last {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(&self.bytes)
    }

    fn consume(&mut self, count: usize) {
        self.bytes.advance(count.min(self.bytes.len()));
    }
}

impl Read for Encoded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

/// Returns whether two bytes are a zlib header. No deflate encoder starts with one.
///
/// <https://www.rfc-editor.org/rfc/rfc1950#section-2.2>
fn is_zlib(first: u8, second: u8) -> bool {
    let is_deflate = first & 0x0f == 8 && first >> 4 <= 7;
    is_deflate && u16::from_be_bytes([first, second]).is_multiple_of(31)
}

fn unsupported(found: &str) -> UnsupportedCoding {
    UnsupportedCoding(shown(found).to_string())
}

/// The largest decoded piece.
const PIECE_BYTES: usize = 64 * 1024;
/// The most encoded bytes for each decoded byte, apart from [`MAX_OVERHEAD_BYTES`]. Headers of gzip
/// members and empty blocks decode to nothing.
const MAX_EXPANSION: u64 = 16;
/// The most encoded bytes that decode to nothing at all.
const MAX_OVERHEAD_BYTES: u64 = 64 * 1024;
