// Parts of the page beside the maps, each in a file of its own: `feature({...})` adds one.
//
//   name      of its tab in the drawer, and of its place in the store
//   title     () => word on its tab; a part without one has no tab
//   initial   (start, config) => its keys of the store
//   address   keys of the store that the address remembers: { key: (value, state) => text or "" }, under the key's name
//   create    (viewer) => { element, draw(state, changed), run(frames), arrived(), close() }; all but `element` may be
//             missing, and `element` is for parts with a tab.  `draw` is called for every change of the store, `arrived`
//             when the library has something new.

const FEATURES = [];

function feature(part) {
  FEATURES.push({ initial: () => ({}), address: {}, ...part });
}
