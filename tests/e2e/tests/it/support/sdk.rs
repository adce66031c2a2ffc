use godwit_client::{Client, ConnectOptions, Connection, Encoding, Events, Options};
use godwit_contract::auth::v1::{Device, LoginRequest};

use super::account::{Account, PASSWORD, fresh_uuid};

/// The SDK with a session of its own on a new device.
pub async fn log_in_sdk(gateway: &str, person: &Account) -> Client {
    let client = Client::new(Options::new(gateway.parse().unwrap())).unwrap();
    let device = Device { id: fresh_uuid(), name: "SDK".to_owned(), platform: "linux".to_owned() };
    let login = LoginRequest { login: person.email.clone(), password: PASSWORD.to_owned(), device: Some(device) };
    client.login(&login).await.unwrap();
    client
}

/// A connection of the SDK that is live.
pub async fn connect_sdk(gateway: &str, person: &Account, encoding: Encoding) -> (Connection, Events) {
    let client = log_in_sdk(gateway, person).await;
    let (connection, events) = client.connect(ConnectOptions { encoding, ..ConnectOptions::default() });
    connection.live().await.unwrap();
    (connection, events)
}
