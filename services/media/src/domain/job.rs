use uuid::Uuid;

use super::Media;

/// An upload that this process looks at until the claim ends.
#[derive(Clone, Debug)]
pub struct Job {
    /// The upload.
    pub media: Media,
    /// What its object is made of, when it came in parts.
    pub part_etags: Vec<String>,
    /// Names the claim.
    pub claim: Uuid,
    /// This one included; outages are not counted.
    pub attempts: u32,
    /// Claims that ended because another part was down.
    pub outages: u32,
}
