"""PyTorch twins of the networks that `train_step.py` measures.

Same layers, parameters and spectral normalisation as
`keras_ganmix.networks`. `fused=False` is what PyTorch users write
(`Upsample`, then a convolution; a convolution, then `avg_pool2d`);
`fused=True` does as our layers do (see `networks/resampling.py`).
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm


class UpsampleConv(nn.Conv2d):
    def __init__(self, inputs, outputs, fused):
        super().__init__(inputs, outputs, 3, padding=1)
        self.fused = fused

    def forward(self, x):
        if not self.fused:
            return super().forward(F.interpolate(x, scale_factor=2))
        kernel = _box(self.weight.flip(2, 3)).transpose(0, 1)
        return F.conv_transpose2d(x, kernel, self.bias, stride=2, padding=1)


class ConvPool(nn.Conv2d):
    def __init__(self, inputs, outputs, fused):
        super().__init__(inputs, outputs, 3, padding=1)
        self.fused = fused

    def forward(self, x):
        if not self.fused:
            return F.avg_pool2d(super().forward(x), 2)
        kernel = _box(self.weight) * 0.25
        return F.conv2d(x, kernel, self.bias, stride=2, padding=1)


def _box(kernel):
    k = F.pad(kernel, (1, 1, 1, 1))
    return (
        k[:, :, 1:, 1:]
        + k[:, :, :-1, 1:]
        + k[:, :, 1:, :-1]
        + k[:, :, :-1, :-1]
    )


class DCGANGenerator(nn.Module):
    def __init__(self, width, channels=3, latent_dim=128):
        super().__init__()
        self.width = width
        self.dense = nn.Linear(latent_dim, 16 * 4 * width, bias=False)
        blocks = [nn.BatchNorm2d(4 * width), nn.ReLU(True)]
        for a, b in ((4, 2), (2, 1)):
            blocks += [
                nn.ConvTranspose2d(a * width, b * width, 4, 2, 1, bias=False),
                nn.BatchNorm2d(b * width),
                nn.ReLU(True),
            ]
        blocks += [nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh()]
        self.blocks = nn.Sequential(*blocks)

    def forward(self, z):
        return self.blocks(self.dense(z).view(-1, 4 * self.width, 4, 4))


class DCGANDiscriminator(nn.Module):
    def __init__(self, width, channels=3):
        super().__init__()
        blocks = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
        for a, b in ((1, 2), (2, 4)):
            blocks += [
                nn.Conv2d(a * width, b * width, 4, 2, 1, bias=False),
                nn.BatchNorm2d(b * width),
                nn.LeakyReLU(0.2, True),
            ]
        self.blocks = nn.Sequential(*blocks)
        self.dense = nn.Linear(16 * 4 * width, 1)

    def forward(self, x):
        return self.dense(self.blocks(x).flatten(1))


class UpBlock(nn.Module):
    def __init__(self, width, fused):
        super().__init__()
        self.norm_1, self.norm_2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.conv_1 = UpsampleConv(width, width, fused)
        self.conv_2 = nn.Conv2d(width, width, 3, padding=1)
        self.shortcut = nn.Conv2d(width, width, 1)

    def forward(self, x):
        h = self.conv_1(F.relu(self.norm_1(x)))
        h = self.conv_2(F.relu(self.norm_2(h)))
        return h + F.interpolate(self.shortcut(x), scale_factor=2)


class SNGANGenerator(nn.Module):
    def __init__(self, width, channels=3, latent_dim=128, fused=False):
        super().__init__()
        self.width = width
        self.dense = nn.Linear(latent_dim, 16 * width)
        self.blocks = nn.Sequential(*[UpBlock(width, fused) for _ in range(3)])
        self.norm = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, z):
        x = self.blocks(self.dense(z).view(-1, self.width, 4, 4))
        return torch.tanh(self.conv(F.relu(self.norm(x))))


class DownBlock(nn.Module):
    def __init__(self, inputs, width, down, fused, first=False):
        super().__init__()
        self.first, self.down = first, down
        self.conv_1 = spectral_norm(nn.Conv2d(inputs, width, 3, padding=1))
        if down:
            self.conv_2 = spectral_norm(ConvPool(width, width, fused))
            self.shortcut = spectral_norm(nn.Conv2d(inputs, width, 1))
        else:
            self.conv_2 = spectral_norm(nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x):
        h = self.conv_1(x if self.first else F.relu(x))
        h = self.conv_2(F.relu(h))
        if self.down:
            x = self.shortcut(F.avg_pool2d(x, 2))
        return h + x


class SNGANDiscriminator(nn.Module):
    def __init__(self, width, channels=3, fused=False):
        super().__init__()
        self.blocks = nn.Sequential(
            DownBlock(channels, width, True, fused, first=True),
            DownBlock(width, width, True, fused),
            DownBlock(width, width, False, fused),
            DownBlock(width, width, False, fused),
        )
        self.dense = spectral_norm(nn.Linear(width, 1))

    def forward(self, x):
        return self.dense(F.relu(self.blocks(x)).sum((2, 3)))


def build(family, generator_width, discriminator_width, channels, fused):
    """Returns (generator, discriminator) of a family at 32 x 32 pixels."""
    if family == "dcgan":
        return (
            DCGANGenerator(generator_width, channels),
            DCGANDiscriminator(discriminator_width, channels),
        )
    return (
        SNGANGenerator(generator_width, channels, fused=fused),
        SNGANDiscriminator(discriminator_width, channels, fused=fused),
    )


class Trainer:
    """One update of the discriminator, one of the generator: hinge, Adam."""

    def __init__(self, generator, discriminator, channels_last):
        self.generator, self.discriminator = generator, discriminator
        self.memory_format = (
            torch.channels_last if channels_last else torch.contiguous_format
        )
        for model in (generator, discriminator):
            model.to(memory_format=self.memory_format).train()
        self.optimizers = [
            torch.optim.Adam(m.parameters(), 2e-4, (0.0, 0.9), fused=True)
            for m in (generator, discriminator)
        ]

    def prepare(self, images):
        """Images (B, H, W, C) as numpy array, to what `step` takes."""
        images = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        return images.to(memory_format=self.memory_format)

    def step(self, images, latent_dim=128):
        """Trains on a batch and returns the generator's loss."""
        g_optimizer, d_optimizer = self.optimizers
        latents = torch.randn(len(images), latent_dim)
        with torch.no_grad():
            fakes = self.generator(latents)
        real = self.discriminator(images)
        fake = self.discriminator(fakes)
        loss = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        d_optimizer.zero_grad()
        loss.backward()
        d_optimizer.step()

        self.discriminator.requires_grad_(False)
        latents = torch.randn(len(images), latent_dim)
        loss = -self.discriminator(self.generator(latents)).mean()
        g_optimizer.zero_grad()
        loss.backward()
        g_optimizer.step()
        self.discriminator.requires_grad_(True)
        return loss.item()
