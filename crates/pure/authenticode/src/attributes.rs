//! Attributes of a signer (RFC 2315, 9.2), of which each may stand once.

use crate::der::{Der, OID, SEQUENCE, SET};
use crate::signature::Distrust;

/// The one value of each attribute that is asked for, in the order of the question.
pub(crate) fn read<'a, const N: usize>(
    content: &'a [u8],
    wanted: [&[u8]; N],
) -> Result<[Option<Der<'a>>; N], Distrust> {
    let mut found = [None; N];
    let mut all = Der::new(content);
    while !all.is_empty() {
        let mut one = all.inside(SEQUENCE, "attribute")?;
        let kind = one.expect(OID, "attributeType")?;
        let Some(place) = wanted.iter().position(|wanted| *wanted == kind) else { continue };
        let values = one.inside(SET, "attributeValues")?;
        one.end("attribute")?;
        if let Some(found) = found.get_mut(place)
            && found.replace(values).is_some()
        {
            return Err(Distrust::Malformed("attribute twice"));
        }
    }
    Ok(found)
}
