//! TLS: a certificate that is not trusted is refused and said to be so; there is no way around it.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crossguard::exchange::Environment;
use crossguard::mirror::event::{Event, LossCause};

use crate::exchange_stand::{Setup, Stand};

/// Made for this test, for the name `localhost`, trusted by nobody.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBnzCCAUSgAwIBAgIUQ+AdbK2+KAPo+SI9JpLhiWnmP0MwCgYIKoZIzj0EAwIw
GjEYMBYGA1UEAwwPY3Jvc3NndWFyZCB0ZXN0MCAXDTI2MTEyMzIxNDAyNFoYDzIx
MjYxMDMwMjE0MDI0WjAaMRgwFgYDVQQDDA9jcm9zc2d1YXJkIHRlc3QwWTATBgcq
hkjOPQIBBggqhkjOPQMBBwNCAATEDMOi3FYHZUbdHWGSOW4qgghEB5ejUxprR2ts
YtB+T5FxCgQV55a9+SM9QFtyelKiZw/AzBeo8S1Sv7Ld3gg7o2YwZDAdBgNVHQ4E
FgQUSIdQ9DECX8EgLQGNwd64yBxN2bwwHwYDVR0jBBgwFoAUSIdQ9DECX8EgLQGN
wd64yBxN2bwwFAYDVR0RBA0wC4IJbG9jYWxob3N0MAwGA1UdEwEB/wQCMAAwCgYI
KoZIzj0EAwIDSQAwRgIhANYB8iA2nIJrQubTsNZroD1j+0i4DmnD5WD9HUsek8V9
AiEA75vrDeNxKLXyNk0H7ctUPapxLVp9ZMYxT4vSt1Fe8sw=
-----END CERTIFICATE-----
";

/// The test certificate's key: it opens nothing.
const KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgxTOWW2KjRVUhshFL
v6cyBWwndukGenAgQfh2A5fKGA2hRANCAATEDMOi3FYHZUbdHWGSOW4qgghEB5ej
UxprR2tsYtB+T5FxCgQV55a9+SM9QFtyelKiZw/AzBeo8S1Sv7Ld3gg7
-----END PRIVATE KEY-----
";

/// Accepts TLS and upgrades whatever asks for it; returns its port.
async fn serve() -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(tls) = acceptor.accept(tcp).await else {
                    return;
                };
                if let Ok(mut socket) = tokio_tungstenite::accept_async(tls).await {
                    use futures_util::StreamExt as _;
                    while socket.next().await.is_some() {}
                }
            });
        }
    });
    port
}

fn environment(host: &str, port: u16) -> Environment {
    Environment::Custom {
        rest: format!("https://{host}:{port}"),
        stream: format!("wss://{host}:{port}"),
        ws_api: format!("wss://{host}:{port}"),
    }
}

#[tokio::test]
async fn n04_a_certificate_that_is_not_trusted_is_refused_by_name() {
    let stand = Stand::start().await;
    let port = serve().await;
    let mut room = stand.run_in(environment("localhost", port), Setup::default());
    let (mut user, mut market) = (None, None);
    room.event("both losses", |event| {
        match event {
            Event::UserStreamLost(loss) => user = Some(loss.clone()),
            Event::MarketStreamLost(loss) => market = Some(loss.clone()),
            _ => {}
        }
        (user.is_some() && market.is_some()).then_some(())
    })
    .await;
    for loss in [user.unwrap(), market.unwrap()] {
        assert_eq!(loss.cause, LossCause::Certificate, "{loss:?}");
        assert!(loss.detail.contains("certificate refused"), "{loss:?}");
    }
    room.stop().await;
}

#[tokio::test]
async fn a_further_root_is_trusted_for_its_name_only() {
    let stand = Stand::start().await;
    let port = serve().await;
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, CERTIFICATE).unwrap();
    let setup = || Setup {
        extra_roots: Some(roots.clone()),
        ..Setup::default()
    };
    let mut room = stand.run_in(environment("localhost", port), setup());
    room.event("the market stream", |event| {
        matches!(event, Event::MarketStreamOpened(_)).then_some(())
    })
    .await;
    room.stop().await;

    let mut room = stand.run_in(environment("127.0.0.1", port), setup());
    let cause = room
        .event("a loss", |event| match event {
            Event::MarketStreamLost(loss) => Some(loss.cause),
            _ => None,
        })
        .await;
    assert_eq!(cause, LossCause::Certificate);
    room.stop().await;
}
