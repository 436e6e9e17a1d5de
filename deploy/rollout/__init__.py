"""Act: carry plans out, hand the lease over, replace workers, destroy; one deployer at a time."""
