import contextlib

import tensorflow as tf

# Two replicas on one CPU. Too late if something has already used a device:
# the tests that need them are then skipped.
with contextlib.suppress(RuntimeError):
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
