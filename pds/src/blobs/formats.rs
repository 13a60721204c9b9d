//! Names of binary formats, and the formats that share a magic number.

/// Returns the registered name of a format that `infer` knows by an older name.
pub(super) fn registered_name(mime_type: &'static str, extension: &str) -> &'static str {
    match extension {
        "aiff" => "audio/aiff",
        "flac" => "audio/flac",
        "m4a" => "audio/mp4",
        "otf" => "font/otf",
        "ttf" => "font/ttf",
        "wav" => "audio/wav",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        _ => mime_type,
    }
}

/// Returns whether a blob of the declared type may begin with the magic number of `found`: it is
/// another name of the same format, or a format within the same container.
pub(super) fn fits(declared: &str, found: &str) -> bool {
    let plain = |text: &str| text.replacen("/x-", "/", 1);
    let within = |prefixes: &[&str]| prefixes.iter().any(|prefix| declared.starts_with(prefix));
    // `application/epub+zip` is a zip.
    let suffix = declared.rsplit_once('+').map(|(_, suffix)| suffix);
    let has_suffix =
        suffix.is_some_and(|suffix| found.strip_prefix("application/") == Some(suffix));
    let is_application = found.starts_with("application/") && within(&APPLICATION_PREFIXES);
    let is_font = found.starts_with("font/") && (within(&["font/"]) || declared.contains("font"));
    // Cameras write raw images as TIFF.
    let is_raw_image = found == "image/tiff" && within(&["image/x-", "image/dng"]);
    let shares_magic = SHARED_MAGIC
        .iter()
        .any(|(sniffed, types)| sniffed.contains(&found) && types.contains(&declared));
    plain(declared) == plain(found)
        || has_suffix
        || is_application
        || is_font
        || is_raw_image
        || shares_magic
}

/// Returns whether the magic number of `found` is two letters, with which text may begin too.
pub(super) fn begins_like_text(found: &str) -> bool {
    ["application/vnd.microsoft.portable-executable", "image/bmp"].contains(&found)
}

/// Prefixes of application-specific types. Most of these files are zips, databases or the like.
const APPLICATION_PREFIXES: [&str; 6] = [
    "application/java-",
    "application/pkcs",
    "application/pkix",
    "application/timestamp",
    "application/vnd.",
    "application/x-",
];
/// Types that are found by their magic numbers, and other types whose files begin with the same.
const SHARED_MAGIC: [(&[&str], &[&str]); 7] = [
    (
        &["audio/mp4", "video/mp4", "video/quicktime", "video/x-m4v"],
        &[
            "application/mp4",
            "audio/3gpp",
            "audio/m4a",
            "audio/mp4",
            "audio/x-m4a",
            "video/3gpp",
            "video/iso.segment",
            "video/x-m4v",
        ],
    ),
    (
        &["video/webm", "video/x-matroska"],
        &["audio/matroska", "audio/webm", "audio/x-matroska", "video/webm"],
    ),
    (
        &["audio/ogg", "audio/opus"],
        &[
            "application/ogg",
            "audio/flac",
            "audio/ogg",
            "audio/opus",
            "audio/speex",
            "audio/vorbis",
            "video/ogg",
        ],
    ),
    (&["video/x-ms-wmv"], &["audio/x-ms-wma", "video/x-ms-asf"]),
    (&["audio/wav"], &["audio/vnd.wave", "audio/wave"]),
    (&["image/heif"], &["image/heic", "image/heic-sequence", "image/heif-sequence"]),
    (
        &["image/png", "image/vnd.microsoft.icon"],
        &["image/apng", "image/vnd.mozilla.apng", "image/x-icon"],
    ),
];

#[cfg(test)]
mod tests {
    use super::super::sniff;

    const ZIP: &[u8] = b"PK\x03\x04\x14\0\0\0";
    const MP4: &[u8] = b"\0\0\0\x1cftypisom\0\0\x02\0isomiso2";
    const OGG: &[u8] = b"OggS\0\x02\0\0\0\0\0\0\0\0";
    const WAV: &[u8] = b"RIFF\x24\0\0\0WAVEfmt ";
    const WOFF2: &[u8] = b"wOF2\0\x01\0\0\0\0\0\0";

    #[test]
    fn declared_type_is_kept_if_its_format_has_the_same_magic_number() {
        let mut webm = vec![0; 300];
        webm[..19].copy_from_slice(b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm\0\0\0");
        for (head, declared) in [
            (ZIP, "model/vnd.usdz+zip"),
            (ZIP, "application/vnd.android.package-archive"),
            (ZIP, "application/java-archive"),
            (ZIP, "application/x-xpinstall"),
            (MP4, "audio/mp4"),
            (MP4, "audio/x-m4a"),
            (b"\0\0\0\x1cftypM4A \0\0\x02\0isomiso2", "audio/x-m4a"),
            (&webm, "audio/webm"),
            (OGG, "video/ogg"),
            (OGG, "application/ogg"),
            (WAV, "audio/wav"),
            (WAV, "audio/x-wav"),
            (WAV, "audio/vnd.wave"),
            (b"fLaC\0\0\0\x22", "audio/flac"),
            (WOFF2, "font/woff2"),
            (b"\0\x01\0\0\0\x0f\0\x80", "font/sfnt"),
            (b"\0\x01\0\0\0\x0f\0\x80", "application/x-font-ttf"),
            (b"II*\0\x08\0\0\0", "image/x-adobe-dng"),
            (b"\0\0\x01\0\x01\0\x10\x10", "image/x-icon"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\x0d", "image/apng"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "image/heic"),
            (b"\x1f\x8b\x08\0\0\0\0\0", "application/x-tgz"),
            (b"0\x82\x02\x5c\x02\x01\0", "application/pkcs8"),
        ] {
            assert_eq!(sniff(head, Some(declared)), declared);
        }
    }

    #[test]
    fn declared_type_of_another_format_is_replaced() {
        for (head, declared, expected) in [
            (ZIP, "image/svg+xml", "application/zip"),
            (ZIP, "application/json", "application/zip"),
            (ZIP, "application/pdf", "application/zip"),
            (MP4, "audio/ogg", "video/mp4"),
            (MP4, "video/quicktime", "video/mp4"),
            (OGG, "video/mp4", "audio/ogg"),
            (WAV, "text/plain", "audio/wav"),
            (WOFF2, "application/octet-stream", "font/woff2"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\x0d", "application/vnd.example", "image/png"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\x0d", "image/jpeg", "image/png"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpg", "image/jpeg"),
        ] {
            assert_eq!(sniff(head, Some(declared)), expected, "{declared}");
        }
    }
}
