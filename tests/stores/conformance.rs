//! What every task store promises, tested on the store on disk. Core tests the one in memory.

/// A store that stays open.
mod sqlite {
    use chimera_layer4::fabric::queue::store::suite::Test;

    use crate::stores::{disk, run};

    fn on_sqlite(test: Test) {
        let folder = disk::folder();
        run(async {
            let (store, _) = disk::open(folder.path()).await.unwrap();
            test.on(&store).await;
        });
    }

    chimera_layer4::fabric::queue::store::suite::task_store_tests!(on_sqlite);
}

/// A store that is opened anew before each step.
mod sqlite_reopened {
    use chimera_layer4::fabric::queue::store::suite::Test;

    use crate::stores::disk::Reopened;
    use crate::stores::run;

    fn on_sqlite_reopened(test: Test) {
        run(async { test.on(&Reopened::new().await).await });
    }

    chimera_layer4::fabric::queue::store::suite::task_store_tests!(on_sqlite_reopened);
}
