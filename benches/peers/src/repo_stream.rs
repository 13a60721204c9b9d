//! repo-stream: reads and walks CARs.

use futures_executor::block_on;
use repo_stream::DriverBuilder;

use crate::measured::{Measured, case};
use crate::row::Row;
use crate::world::{Order, World};

pub fn case_of<'w>(row: Row, world: &'w World) -> Option<Box<dyn Measured + 'w>> {
    match row {
        Row::WalkTree => Some(walk(world, Order::Tree)),
        Row::WalkShuffled => Some(walk(world, Order::Shuffled)),
        _ => None,
    }
}

fn walk<'w>(world: &'w World, order: Order) -> Box<dyn Measured + 'w> {
    let car: &'static [u8] = Box::leak(world.car(order).into_boxed_slice());
    let walk = |car: &'static [u8]| {
        let builder = DriverBuilder::new().with_mem_limit_mb(8_000);
        let loaded = block_on(builder.load_car(car));
        let Ok(mut car) = loaded else { panic!("a CAR") };
        let (mut records, mut bytes) = (0_u64, 0_u64);
        while let Some(record) = car.next_strict().expect("a record") {
            records += 1;
            bytes += record.data.len() as u64;
        }
        (records, bytes)
    };
    case(1, move |_| car, walk, |seen| format!("{seen:?}").into_bytes())
}
