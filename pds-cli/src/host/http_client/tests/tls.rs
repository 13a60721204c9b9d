//! Certificates of `https` servers.

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::*;

/// A certificate for `name.notexample.org` that only this test trusts, and its key:
/// `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj
/// /CN=test -addext subjectAltName=DNS:name.notexample.org -addext basicConstraints=CA:FALSE`.
const CERTIFICATE: &[u8] = include_bytes!("tls/certificate.pem");
const KEY: &[u8] = include_bytes!("tls/key.pem");

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Requests `https://host/` from the server with the certificate. Returns the status, and the head
/// and the protocol that arrived.
async fn request(
    host: &str,
    is_trusted: bool,
) -> (Result<u16, HttpError>, Option<(String, Vec<u8>)>) {
    let (listener, address) = listen().await;
    let mut roots = RootCertStore::empty();
    if is_trusted {
        roots.add(CertificateDer::from_pem_slice(CERTIFICATE).unwrap()).unwrap();
    }
    let connector = Connector::trusting(Names::new(vec![vec![address]]), roots);
    let client = HttpClient { gate: Rc::default(), connector: Rc::new(connector) };
    let served = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor().accept(stream).await.ok()?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        stream.flush().await.unwrap();
        let protocol = stream.get_ref().1.alpn_protocol().unwrap_or_default().to_vec();
        Some((String::from_utf8(head).unwrap(), protocol))
    };
    let url = format!("https://{host}/secret");
    let (sent, seen) = tokio::join!(client.send(get(&url)), served);
    (sent.map(|response| response.status().as_u16()), seen)
}

#[tokio::test]
async fn server_with_a_valid_certificate_is_reached() {
    let (sent, seen) = request("name.notexample.org", true).await;
    assert_eq!(sent, Ok(200));
    let (head, protocol) = seen.unwrap();
    assert!(head.starts_with("GET /secret HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nhost: name.notexample.org\r\n"), "{head}");
    assert_eq!(protocol, b"http/1.1");
}

#[tokio::test]
async fn server_without_a_valid_certificate_receives_nothing() {
    for (host, is_trusted) in [("other.notexample.org", true), ("name.notexample.org", false)] {
        let (sent, seen) = request(host, is_trusted).await;
        let Err(HttpError::Failed(message)) = sent else { panic!("{host}: {sent:?}") };
        assert!(message.contains("certificate"), "{message}");
        assert_eq!(seen, None);
    }
}
