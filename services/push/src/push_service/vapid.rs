use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godwit_kernel::Entropy;
use time::{Duration, OffsetDateTime};
use web_push::{PartialVapidSignatureBuilder, SubscriptionInfo, VapidSignature, VapidSignatureBuilder, WebPushError};

/// How long a signature is valid; RFC 8292 allows 24 hours at most.
const SIGNATURE_TTL: Duration = Duration::hours(12);

/// The bytes are no private key of P-256.
#[derive(Debug, thiserror::Error)]
#[error("not a private P-256 key of 32 bytes")]
pub struct InvalidKey(#[source] WebPushError);

/// The key that names this deployment to push services (RFC 8292).
pub struct VapidKey {
    signer: PartialVapidSignatureBuilder,
}

impl VapidKey {
    /// The key with this private scalar.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_bytes(private_key: &[u8]) -> Result<Self, InvalidKey> {
        let text = URL_SAFE_NO_PAD.encode(private_key);
        Ok(Self { signer: VapidSignatureBuilder::from_base64_no_sub(&text).map_err(InvalidKey)? })
    }

    /// A new private scalar.
    pub fn generate(entropy: &dyn Entropy) -> [u8; 32] {
        loop {
            let candidate = entropy.bytes();
            // One in 2^32 is not below the order of the curve.
            if Self::from_bytes(&candidate).is_ok() {
                return candidate;
            }
        }
    }

    /// The public key as browsers take it: an uncompressed point in base64url.
    pub fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.signer.get_public_key())
    }

    /// The signature of a request to a push service at `audience`.
    pub(super) fn sign(
        &self,
        subscription: &SubscriptionInfo,
        audience: &str,
        subject: &str,
        now: OffsetDateTime,
    ) -> Result<VapidSignature, WebPushError> {
        let mut builder = self.signer.clone().add_sub_info(subscription);
        // The crate's own audience leaves out the port.
        builder.add_claim("aud", audience);
        builder.add_claim("sub", subject);
        builder.add_claim("exp", (now + SIGNATURE_TTL).unix_timestamp());
        builder.build()
    }
}
