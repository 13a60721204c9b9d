//! Bodies in both directions, and cancelled exchanges.

use bytes::Bytes;
use futures_util::stream;
use nacre_pds::body::BodyError;
use tokio::sync::mpsc;

use super::*;

fn post(url: &str, body: Body) -> OutboundRequest {
    let mut request = Request::new(body).map_uri(url);
    *request.method_mut() = http::Method::POST;
    super::request(request)
}

/// A body of the pieces that are sent to a channel.
fn piped() -> (mpsc::UnboundedSender<Result<Bytes, BodyError>>, Body) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let pieces = stream::unfold(receiver, async |mut receiver| {
        let piece = receiver.recv().await?;
        Some((piece, receiver))
    });
    (sender, Body::Stream(Box::pin(pieces)))
}

/// Reads until these bytes have arrived.
async fn read_until(stream: &mut TcpStream, expected: &str) {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(expected) {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "the client closed");
    }
}

#[tokio::test]
async fn bodies_stream_in_both_directions() {
    let (listener, address) = listen().await;
    let (sender, body) = piped();
    let client = HttpClient::default();
    let exchanged = client.send(post(&format!("http://{address}/"), body));
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = read_head(&mut stream).await.unwrap();
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        // The response begins before the request ends.
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n";
        stream.write_all(head).await.unwrap();
        stream
    };
    let (response, mut server) = tokio::join!(exchanged, served);
    let mut body = response.unwrap().into_body();
    for text in ["one__", "two__"] {
        sender.send(Ok(Bytes::from_static(text.as_bytes()))).unwrap();
        let served = async {
            read_until(&mut server, text).await;
            server.write_all(text.as_bytes()).await.unwrap();
        };
        let (piece, ()) = tokio::join!(body.next_piece(), served);
        assert_eq!(piece.unwrap().unwrap(), text);
    }
    drop(sender);
    assert!(body.next_piece().await.is_none());
}

#[tokio::test]
async fn body_in_memory_is_sent_with_its_length() {
    let (url, served) = serve("HTTP/1.1 200 OK\ncontent-length: 0\n\n").await;
    let client = HttpClient::default();
    let (sent, head) = tokio::join!(client.send(post(&url, "four".into())), served);
    assert_eq!(sent.unwrap().status(), 200);
    assert!(head.unwrap().contains("content-length: 4\r\n"));
}

#[tokio::test]
async fn failing_body_of_a_request_fails_the_request() {
    let (listener, address) = listen().await;
    let (sender, body) = piped();
    sender.send(Ok("part".into())).unwrap();
    sender.send(Err(BodyError::Interrupted("cut".to_owned()))).unwrap();
    let client = HttpClient::default();
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        let _ = stream.read_to_end(&mut seen).await;
        String::from_utf8_lossy(&seen).into_owned()
    };
    let (failed, seen) =
        tokio::join!(client.send(post(&format!("http://{address}/"), body)), served);
    let Err(HttpError::Failed(message)) = failed else { panic!("{failed:?}") };
    assert!(message.contains("cut"), "{message}");
    // The other server does not take it for a whole request.
    assert!(!seen.ends_with("0\r\n\r\n"), "{seen}");
}

#[tokio::test]
async fn dropped_future_closes_the_connection() {
    let (listener, address) = listen().await;
    let mut exchanged = HttpClient::default().send(get(&format!("http://{address}/")));
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await.unwrap();
        stream
    };
    let mut server = tokio::select! {
        sent = &mut exchanged => panic!("{sent:?}"),
        stream = served => stream,
    };
    drop(exchanged);
    assert_eq!(server.read(&mut [0]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn dropped_body_closes_the_connection() {
    let (listener, address) = listen().await;
    let client = HttpClient::default();
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfour").await.unwrap();
        stream
    };
    let sent = client.send(get(&format!("http://{address}/")));
    let (response, mut server) = tokio::join!(sent, served);
    let mut body = response.unwrap().into_body();
    assert_eq!(body.next_piece().await.unwrap().unwrap(), "four");
    drop(body);
    assert_eq!(server.read(&mut [0]).await.unwrap_or(0), 0);
}
