//! stub
use super::Error;
use std::time::Duration;
use tch::Tensor;
pub struct Group;
pub struct Rendezvous {
    pub rank: usize,
    pub size: usize,
    pub address: String,
    pub port: u16,
    pub timeout: Duration,
}
impl Group {
    pub fn alone() -> Group {
        Group
    }
    pub fn join(_: &Rendezvous) -> Result<Group, Error> {
        Ok(Group)
    }
    pub fn rank(&self) -> usize {
        0
    }
    pub fn size(&self) -> usize {
        1
    }
    pub fn sum(&self, _: &[Tensor]) -> Result<(), Error> {
        Ok(())
    }
    pub fn sum_numbers(&self, _: &mut [f64]) -> Result<(), Error> {
        Ok(())
    }
    pub fn barrier(&self) -> Result<(), Error> {
        Ok(())
    }
}
