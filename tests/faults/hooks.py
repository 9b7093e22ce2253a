"""What befalls a forked process while its command runs.

Each function is called before the command, and patches what it must.
"""

import os
import shutil
import signal
import subprocess
import sys
import time


def die_in_evaluation(number):
    """Kills at the n-th batch of fakes that is scored."""
    from keras_ganmix.callbacks.collapse import Spread

    add, left = Spread.add, [number]

    def counted(self, images):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return add(self, images)

    Spread.add = counted


def explode(step, retries=1):
    """The discriminator's loss is infinite at a step, in the first tries."""
    import tensorflow as tf

    from keras_ganmix.faults import Faults
    from keras_ganmix.gan import GAN

    see, train_step = Faults.see, GAN.train_step
    now = []

    def step_of(self, data):
        now[:] = [self]
        return train_step(self, data)

    def seen(self, name, *tensors):
        if name == "discriminator_loss":
            gan = now[0]
            is_now = gan.step.value + 1 == step
            is_now &= gan.retry.value < retries
            bad = tf.where(is_now, float("inf"), 0.0)
            tensors = [*tensors, tf.convert_to_tensor(bad)]
        return see(self, name, *tensors)

    GAN.train_step, Faults.see = step_of, seen


def jump_clock(seconds):
    """The clock of the wall jumps by so much, back and forth, at each look."""
    clock, looks = time.time, [0]

    def jumping():
        looks[0] += 1
        return clock() + (seconds if looks[0] % 3 else -seconds)

    time.time = jumping


def _at(step, function):
    """Calls a function once, at the first log line from a step on."""
    from keras_ganmix.callbacks import MetricsLog

    on_step, left = MetricsLog.on_step, [function]

    def patched(self, now, logs):
        if now >= step and left:
            left.pop()()
        return on_step(self, now, logs)

    MetricsLog.on_step = patched


def send(step, *numbers):
    """Signals come, one after the other."""

    def signals():
        for number in numbers:
            os.kill(os.getpid(), number)
            time.sleep(0.1)

    _at(step, signals)


def hang_up(step):
    """The terminal is closed: nobody reads, and the signal comes."""

    def close():
        reader, writer = os.pipe()
        os.close(reader)
        for stream in (1, 2):
            os.dup2(writer, stream)
        os.kill(os.getpid(), signal.SIGHUP)

    _at(step, close)


def pause(step, seconds):
    """Stopped from outside, and continued."""

    def stop():
        command = f"sleep {seconds}; kill -CONT {os.getpid()}"
        subprocess.Popen(["sh", "-c", command])
        os.kill(os.getpid(), signal.SIGSTOP)

    _at(step, stop)


def remove(step, folder):
    _at(step, lambda: shutil.rmtree(folder))


def move(step, folder, to):
    _at(step, lambda: os.rename(folder, to))


def fill(step, file):
    """Another process takes all the room that is left on the disk."""

    def write():
        with open(file, "wb") as ballast, _ignoring_a_full_disk():
            while True:
                ballast.write(bytes(4096))
                ballast.flush()

    _at(step, write)


def _ignoring_a_full_disk():
    import contextlib

    return contextlib.suppress(OSError)


def limit_files(size):
    """No file can grow beyond so many bytes."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def start_another(step, answer, *argv):
    """A second process is started with the same command."""

    def start():
        environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
        done = subprocess.run(
            [sys.executable, "-m", *argv],
            capture_output=True,
            text=True,
            env=environment,
        )
        with open(answer, "w") as file:
            file.write(f"{done.returncode}\n{done.stderr}")

    _at(step, start)


def threads(number):
    """TensorFlow uses so many threads."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(number)
    tf.config.threading.set_inter_op_parallelism_threads(number)
