#!/usr/bin/python3
"""Times one training step of each workload in PyTorch: the peer of `gradc bench`, with the same line of JSON.

Usage: torch_steps.py [--threads T] [--seconds S] WORKLOAD…
A step is forward, backward and update on data that stays. Three of them warm up.
"""
import argparse
import json
import sys
import time

try:
    import torch
except ImportError:
    print('skipped: PyTorch (Debian: python3-torch) is not installed')
    sys.exit(77)
from torch import nn
from torch.nn import functional


def images(network, shape, classes, **sgd):
    """A classifier of random pictures or points with mean cross entropy."""
    x, label = torch.rand(shape), torch.randint(0, classes, shape[:1])
    optimizer = torch.optim.SGD(network.parameters(), **sgd) if sgd else torch.optim.Adam(network.parameters())
    return optimizer, lambda: functional.cross_entropy(network(x), label)


MOMENTUM = {'lr': 0.01, 'momentum': 0.9}


def spiral_mlp():
    return images(nn.Sequential(nn.Linear(2, 100), nn.ReLU(), nn.Linear(100, 3)), (300, 2), 3, lr=1.0)


def mlp_lecture():
    x, y = torch.rand(64, 1000), torch.rand(64, 10)
    w1, w2 = torch.randn(1000, 100).requires_grad_(), torch.randn(100, 10).requires_grad_()
    return torch.optim.SGD([w1, w2], lr=1e-4), lambda: ((x.mm(w1).sigmoid().mm(w2) - y) ** 2).sum()


def mlp_mnist():
    sizes = (784, 512, 512, 10)
    layers = [part for i, o in zip(sizes, sizes[1:]) for part in (nn.Linear(i, o), nn.ReLU())]
    return images(nn.Sequential(*layers[:-1]), (128, 784), 10)


def lenet5():
    network = nn.Sequential(
        nn.Conv2d(1, 20, kernel_size=5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(20, 50, kernel_size=5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(50 * 7 * 7, 500), nn.ReLU(), nn.Linear(500, 10))
    return images(network, (64, 1, 28, 28), 10, **MOMENTUM)


def vgg_cifar():
    channels, layers = 3, []
    for filters in (64, 128, 256):
        for _ in range(2):
            layers += [nn.Conv2d(channels, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()]
            channels = filters
        layers.append(nn.MaxPool2d(2))
    return images(nn.Sequential(*layers, nn.Flatten(), nn.Linear(256 * 4 * 4, 10)), (32, 3, 32, 32), 10, **MOMENTUM)


def conv_relu(channels, filters, kernel):
    return nn.Sequential(nn.Conv2d(channels, filters, kernel, padding=kernel // 2), nn.ReLU())


class Branches(nn.Module):
    """Branches over one input, joined along the channels."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def inception_3a():
    module = Branches(conv_relu(192, 64, 1), nn.Sequential(conv_relu(192, 96, 1), conv_relu(96, 128, 3)),
                      nn.Sequential(conv_relu(192, 16, 1), conv_relu(16, 32, 5)),
                      nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv_relu(192, 32, 1)))
    network = nn.Sequential(module, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10))
    return images(network, (8, 192, 28, 28), 10, **MOMENTUM)


def alexnet():
    features = [nn.Conv2d(3, 96, 11, stride=4), nn.ReLU(), nn.MaxPool2d(3, 2),
                nn.Conv2d(96, 256, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    for channels, filters in ((256, 384), (384, 384), (384, 256)):
        features += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU()]
    classifier = [nn.Dropout(0.5), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(),
                  nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)]
    network = nn.Sequential(*features, nn.MaxPool2d(3, 2), nn.Flatten(), *classifier)
    return images(network, (8, 3, 227, 227), 1000, **MOMENTUM)


def letters(cell):
    embed, head = nn.Embedding(65, 128), nn.Linear(128, 65)
    text, following = torch.randint(0, 65, (32, 64)), torch.randint(0, 65, (32, 64))
    optimizer = torch.optim.Adam(list(embed.parameters()) + list(cell.parameters()) + list(head.parameters()))

    def loss():
        states, _ = cell(embed(text))
        return functional.cross_entropy(head(states).view(-1, 65), following.view(-1))
    return optimizer, loss


def char_rnn():
    return letters(nn.RNN(128, 128, batch_first=True))


def char_lstm():
    return letters(nn.LSTM(128, 128, batch_first=True))


def vae():
    layers = nn.ModuleDict({'encode': nn.Linear(784, 400), 'mean': nn.Linear(400, 20), 'log_variance': nn.Linear(400, 20),
                            'decode': nn.Linear(20, 400), 'pixels': nn.Linear(400, 784)})
    image = torch.rand(128, 784)

    def loss():
        features = torch.relu(layers['encode'](image))
        mean, log_variance = layers['mean'](features), layers['log_variance'](features)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        pixels = layers['pixels'](torch.relu(layers['decode'](z)))
        divergence = -0.5 * (1 + log_variance - mean * mean - log_variance.exp()).sum()
        return functional.binary_cross_entropy_with_logits(pixels, image, reduction='sum') + divergence
    return torch.optim.Adam(layers.parameters()), loss


WORKLOADS = {make.__name__.replace('_', '-'): make for make in (
    spiral_mlp, mlp_lecture, mlp_mnist, lenet5, vgg_cifar, inception_3a, alexnet, char_rnn, char_lstm, vae)}


def measure(name, seconds):
    """Sorted seconds of steps."""
    torch.manual_seed(0)
    optimizer, loss = WORKLOADS[name]()

    def step():
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        optimizer.step()
        return time.perf_counter() - start

    for _ in range(3):
        step()
    times = []
    while sum(times) < seconds or len(times) < 3:
        times.append(step())
    return sorted(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--seconds', type=float, default=3)
    parser.add_argument('--parameters', action='store_true', help='print how many parameters each has, and run nothing')
    parser.add_argument('workload', nargs='+', choices=WORKLOADS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    for name in given.workload:
        if given.parameters:
            optimizer, _ = WORKLOADS[name]()
            print(name, sum(p.numel() for group in optimizer.param_groups for p in group['params']))
            continue
        times = measure(name, given.seconds)
        print(json.dumps({'peer': f'pytorch {torch.__version__}', 'workload': name, 'threads': given.threads,
                          'median_ms': round(times[len(times) // 2] * 1e3, 4), 'min_ms': round(times[0] * 1e3, 4),
                          'steps': len(times)}), flush=True)


if __name__ == '__main__':
    main()
