//! Time limits.

use nacre_pds::body::BodyError;

use super::*;

#[tokio::test(start_paused = true)]
async fn silent_server_times_out() {
    let (listener, address) = listen().await;
    let request = OutboundRequest { head_time: 3 * SECOND, ..get(&format!("http://{address}/")) };
    let started = Instant::now();
    let failed = HttpClient::default().send(request).await.unwrap_err();
    assert_eq!(failed, HttpError::TimedOut);
    assert!((3 * SECOND..4 * SECOND).contains(&started.elapsed()));
    drop(listener);
}

#[tokio::test(start_paused = true)]
async fn total_time_limits_the_head_too() {
    let (listener, address) = listen().await;
    let request = OutboundRequest { total_time: SECOND, ..get(&format!("http://{address}/")) };
    let started = Instant::now();
    let failed = HttpClient::default().send(request).await.unwrap_err();
    assert_eq!(failed, HttpError::TimedOut);
    assert!((SECOND..2 * SECOND).contains(&started.elapsed()));
    drop(listener);
}

#[tokio::test(start_paused = true)]
async fn slow_resolver_times_out() {
    struct Never;
    impl Resolver for Never {
        fn resolve(&self, _: &str, _: u16) -> LocalBoxFuture<'static, io::Result<Vec<SocketAddr>>> {
            Box::pin(core::future::pending())
        }
    }
    let connector = Rc::new(Connector::new(Rc::new(Never)));
    let client = HttpClient { gate: Rc::default(), connector };
    let failed = client.send(get("http://name.notexample.org/")).await.unwrap_err();
    assert_eq!(failed, HttpError::TimedOut);
}

#[tokio::test]
async fn slow_body_times_out() {
    let (listener, address) = listen().await;
    let total_time = Duration::from_millis(300);
    let request = OutboundRequest { total_time, ..get(&format!("http://{address}/")) };
    let client = HttpClient::default();
    let started = Instant::now();
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await.unwrap();
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
        stream.write_all(head).await.unwrap();
        // A byte now and then does not extend the time.
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let read = async {
        let body = client.send(request).await.unwrap().into_body();
        body.collect(usize::MAX).await
    };
    let (read, ()) = tokio::join!(read, served);
    assert_eq!(read.unwrap_err(), BodyError::TimedOut);
    assert!((total_time..total_time * 5).contains(&started.elapsed()));
}
