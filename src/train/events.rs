//! stub
use super::Error;
use std::path::Path;
#[derive(Debug)]
pub struct Events;
impl Events {
    pub fn create(_: &Path) -> Result<Events, Error> {
        Ok(Events)
    }
    pub fn scalars(&mut self, _: u64, _: &[(&str, f32)], _: f64) -> Result<(), Error> {
        Ok(())
    }
}
