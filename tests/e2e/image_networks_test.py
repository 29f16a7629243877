"""The published networks of examples/: layer shapes, parameters and multiply-adds as published, read off `gradc summary`."""
import json
import unittest

from support import EXAMPLES, CommandTest

# (layer, shape of its result) and (parameters, multiply-adds), from the papers; GoogLeNet's and ResNet's counts are those of
# the authors' Caffe model without its auxiliary heads, and of torchvision.
PUBLISHED = {
    'alexnet': (60_965_224, 724_406_816, {
        'conv1': '[N,96,55,55]', 'respond1.pool': '[N,96,27,27]', 'conv2': '[N,256,27,27]', 'respond2.pool': '[N,256,13,13]',
        'conv3': '[N,384,13,13]', 'conv4': '[N,384,13,13]', 'conv5': '[N,256,13,13]', 'pool5': '[N,256,6,6]', 'logits': '[N,1000]'}),
    'nin': (966_986, 222_486_528, {
        'block1.mlp2': '[N,96,32,32]', 'pool1': '[N,96,16,16]', 'block2.mlp2': '[N,192,16,16]', 'pool2': '[N,192,8,8]',
        'block3.mlp2': '[N,10,8,8]', 'logits': '[N,10]'}),
    'vgg16': (138_357_544, 15_470_264_320, {
        'pool1': '[N,64,112,112]', 'pool2': '[N,128,56,56]', 'pool3': '[N,256,28,28]', 'pool4': '[N,512,14,14]',
        'pool5': '[N,512,7,7]', 'logits': '[N,1000]'}),
    'googlenet': (6_998_552, 1_582_671_872, {
        'conv1.conv': '[N,64,112,112]', 'pool1': '[N,64,56,56]', 'conv2.conv': '[N,192,56,56]', 'pool2': '[N,192,28,28]',
        'pool3': '[N,480,14,14]', 'pool4': '[N,832,7,7]', 'pool5': '[N,1024]', 'logits': '[N,1000]'}),
    'resnet18': (11_689_512, 1_814_073_344, {
        'conv1': '[N,64,112,112]', 'pool': '[N,64,56,56]', 'layer1.1.bn2': '[N,64,56,56]', 'layer2.1.bn2': '[N,128,28,28]',
        'layer3.1.bn2': '[N,256,14,14]', 'layer4.1.bn2': '[N,512,7,7]', 'fc': '[N,1000]'}),
    'lenet5-1998': (60_000, None, {
        'c1': '[N,6,28,28]', 's2.map': '[N,6,14,14]', 'c3': '[N,16,10,10]', 's4.map': '[N,16,5,5]', 'c5': '[N,120,1,1]',
        'f6': '[N,84]', 'distance': '[N,10]'}),
}
INCEPTION = {'3a': 256, '3b': 480, '4a': 512, '4b': 512, '4c': 512, '4d': 528, '4e': 832, '5a': 832, '5b': 1024}


class ImageNetworks(CommandTest):
    def summary(self, name):
        return json.loads(self.run_command('summary', EXAMPLES / f'{name}.json', '--json', check=0).stdout)

    def test_receptive_fields(self):
        # Published of AlexNet: 11 + 2·4 = 19 after the first pooling, and so on to 195; channels and rectifiers add nothing.
        fields = [layer['receptive_field'] for layer in self.summary('alexnet')['layers']]
        self.assertEqual(fields[:16], [11, 11, 11, 19, 51, 51, 51, 67, 99, 99, 131, 131, 163, 163, 195, 195])
        model = {'inputs': {'x': 'f32[N,1,9,9]'}, 'graph': [
            {'op': 'conv2d', 'name': 'a', 'x': 'x', 'filters': 2, 'kernel': 3, 'dilation': 2}, {'op': 'leaky_relu'},
            {'op': 'avg_pool2d', 'window': 2}, {'op': 'gelu'}, {'op': 'softmax', 'axis': 2}]}
        found = json.loads(self.run_command('summary', self.write('m.json', model), '--json', check=0).stdout)['layers']
        self.assertEqual([layer['receptive_field'] for layer in found], [5, 5, 6, 6, 0])  # 0: all of it

    def test_counts_and_shapes_are_the_published_ones(self):
        for name, (parameters, multiply_adds, shapes) in PUBLISHED.items():
            with self.subTest(name):
                layers = self.summary(name)['layers']
                self.assertEqual(sum(layer['parameters'] for layer in layers), parameters)
                if multiply_adds:
                    self.assertEqual(sum(layer['multiply_adds'] for layer in layers), multiply_adds)
                outputs = {layer['name']: layer['output'] for layer in layers}
                self.assertEqual({layer: outputs.get(layer) for layer in shapes}, {layer: 'f32' + shape for layer, shape in shapes.items()})

    def test_layers_of_the_original_lenet_have_the_published_parameters(self):
        count = {}
        for layer in self.summary('lenet5-1998')['layers']:
            key = layer['name'].split('.')[0].split('_')[0]
            count[key] = count.get(key, 0) + layer['parameters']
        self.assertEqual([count[layer] for layer in ('c1', 's2', 'c3', 's4', 'c5', 'f6')], [156, 12, 1516, 32, 48120, 10164])

    def test_googlenet_is_22_layers_deep_in_fewer_than_80_lines(self):
        spec = EXAMPLES / 'googlenet.json'
        self.assertLess(len(spec.read_text().splitlines()), 80)
        layers = self.summary('googlenet')['layers']
        outputs = {layer['name']: layer['output'] for layer in layers}
        channels = {block: int(outputs[block + '.joined'].split(',')[1]) for block in INCEPTION}
        self.assertEqual(channels, INCEPTION)
        # Each block has six convolutions, and two of them on its longest way.
        with_parameters = [layer['name'] for layer in layers if layer['parameters']]
        outside = [name for name in with_parameters if name.split('.')[0] not in INCEPTION]
        self.assertEqual(len(outside) + 2 * len(INCEPTION), 22)
        self.assertEqual(len(with_parameters) - len(outside), 6 * len(INCEPTION))


if __name__ == '__main__':
    unittest.main()
