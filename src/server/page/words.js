// What the page says, in English and in Chinese. {name} stands for a figure.

const kEnglish = {
  skip: 'Skip to the question', views: 'View', chat: 'Chat', both: 'Both', machine: 'Machine',
  settings: 'Settings', newChat: 'New chat', light: 'Use light colours', dark: 'Use dark colours',
  welcome: 'Ask about a picture', welcomeText: 'Ask anything', welcomeMore: 'Drop one anywhere, paste it, or pick a file. Everything stays on this machine.',
  idea1: 'Describe this picture in detail.', idea2: 'What text can you read in it?', idea3: '用中文描述这张图片。',
  question: 'Your question', questionHint: 'Ask anything', addPicture: 'Add pictures', send: 'Send', stop: 'Stop',
  keys: 'Enter sends, Shift+Enter begins a line, Esc stops', removePicture: 'Remove {name}', pictures: 'Pictures to send',
  dropHere: 'Drop pictures here', you: 'You', answer: 'Answer', copy: 'Copy the answer', copyCode: 'Copy the code',
  copied: 'Copied', again: 'Answer again', table: 'Table', taskOpen: 'to do', taskDone: 'done',
  answering: 'Answering', answered: 'Answer finished', stopped: 'Stopped', cutOff: 'Ended at the limit of tokens',
  figures: '{tokens} tokens · {rate} tokens/s · first after {first} s', cachedPart: '{cached} of {prompt} prompt tokens from the cache',
  scaled: 'scaled from {from} to {to}', converted: 'converted to {kind}', notPicture: '{name} is not a picture that can be read',
  tooManyPictures: 'At most {count} pictures go with one question',
  noPictures: 'This model reads text only',
  errorTitle: 'No answer', errorKey: 'The server asks for a key: enter it in the settings.', errorTooLarge: 'The pictures are too large for this server.',
  errorBusy: 'The server is busy.', errorServer: 'The server failed.', errorNotReady: 'The server is not ready.', errorStatus: 'The server answered {status}.',
  errorUnreachable: 'The server cannot be reached.', errorCut: 'The connection ended before the answer did.', errorStream: 'The answer broke off.',
  retryIn: 'It expects a free place in {seconds} s.', retry: 'Try again', openSettings: 'Open the settings',
  part_where: 'Where', part_what: 'What', part_expected: 'Expected', part_found: 'Found', part_hint: 'Hint',
  model: 'Model', temperature: 'Temperature', temperatureHelp: '0: always the likeliest word; higher: more varied',
  topP: 'Top-p', topPHelp: 'draws from the likeliest words that make up this share', maxTokens: 'Longest answer, in tokens', maxTokensHelp: 'empty: until it ends',
  seed: 'Seed', seedHelp: 'the same seed and question: the same answer; empty: a new one each time', system: 'System prompt', systemHelp: 'what the model is told before the conversation',
  key: 'Key', keyHelp: 'kept in this tab only, forgotten when it closes; sent to this server alone',
  colours: 'Colours', coloursSystem: 'as the system', coloursLight: 'light', coloursDark: 'dark', language: 'Language',
  defaults: 'Back to the defaults', close: 'Close',
  what: 'What am I looking at?',
  what1: 'The model is a stack of layers, too large for one device. So it is cut into stages: each device holds some layers (the tiles) and hands what it computed to the next one.',
  what2: 'One request alone keeps only one device at work: the others wait for their turn. So several groups of requests, called micro-batches, walk through the devices one behind the other, like cars on an assembly line. With one more of them than devices, everyone always has work.',
  what3: 'Each capsule is a micro-batch. Dots are decodes: one sequence each, about to get its next token. Hatched blocks are prefill: a piece of a new prompt or of a picture being read. When a micro-batch leaves the last device, each of its sequences has one token more, and starts over.',
  oneAtATime: 'One request at a time', inFlight: 'Four micro-batches on the way', time: 'time', deviceN: 'device {n}',
  pipeline: 'Pipeline', liveMotion: 'Live', slowMotion: 'Slow motion', slowed: '{factor}× slower than it is, with measured step times', liveShown: 'as it is, ten times a second',
  nothing: 'Nothing on its way. Ask something and watch.', stage: 'Stage {n}', noStage: 'No layers', layers: 'layers {first} to {last}', vision: 'vision tower', embedding: 'token embedding', head: 'output head',
  busy: 'Busy', through: 'Tokens through', perSecond: '{n}/s', stepTime: 'Decode steps, last {seconds} s', planned: 'planned', measured: 'measured', ratio: '×{n}', noSteps: 'none',
  memory: 'Memory', memoryOf: '{used} of {budget}', weights: 'layers', ends: 'vision, embedding, head', kv: 'keys and values', arena: 'activations', fixed: 'fixed', free: 'free',
  tokensPerS: 'new tokens/s', promptPerS: 'prompt tokens/s', running: 'running', waiting: 'waiting', cacheHits: 'prompt from cache', stepsPerS: 'micro-batches/s',
  cache: 'Cache of keys and values', blocksUsed: 'in use', blocksCached: 'kept for prompts to come', blocksFree: 'free', blocksOf: '{used} of {all} blocks',
  requests: 'Requests', total: 'all', failed: 'failed', cancelled: 'cancelled', refused: 'refused', preemptions: 'put back', picturesSeen: 'pictures', pictureHits: 'of these from the cache', uptime: 'up for',
  connecting: 'connecting', live: 'live', lost: 'lost, trying again', notReady: 'not ready', noKey: 'needs a key', paused: 'paused',
  capsule: 'Micro-batch {id}: {decodes} decodes, {prefill} prefill tokens', decode: 'decode', prefill: 'prefill', planMissing: 'The plan could not be read: {why}',
  microBatches: '{n} on the way',
};

const kChinese = {
  skip: '跳到提问框', views: '视图', chat: '对话', both: '并排', machine: '机器',
  settings: '设置', newChat: '新对话', light: '使用浅色', dark: '使用深色',
  welcome: '就一张图片提问', welcomeText: '随便问', welcomeMore: '拖到任意位置、粘贴，或选择文件。一切都留在这台机器上。',
  idea1: '请详细描述这张图片。', idea2: '图中有哪些文字？', idea3: 'Describe this picture in English.',
  question: '您的问题', questionHint: '随便问', addPicture: '添加图片', send: '发送', stop: '停止',
  keys: '回车发送，Shift+回车换行，Esc 停止', removePicture: '移除 {name}', pictures: '待发送的图片',
  dropHere: '把图片拖到这里', you: '您', answer: '回答', copy: '复制回答', copyCode: '复制代码',
  copied: '已复制', again: '重新回答', table: '表格', taskOpen: '待办', taskDone: '完成',
  answering: '正在回答', answered: '回答完毕', stopped: '已停止', cutOff: '已到词元上限',
  figures: '{tokens} 个词元 · 每秒 {rate} 个 · 首个用时 {first} 秒', cachedPart: '提示的 {prompt} 个词元中 {cached} 个来自缓存',
  scaled: '已从 {from} 缩小到 {to}', converted: '已转换为 {kind}', notPicture: '{name} 不是可读取的图片',
  tooManyPictures: '一个问题最多附带 {count} 张图片',
  noPictures: '此模型只能读文字',
  errorTitle: '没有回答', errorKey: '服务器需要密钥：请在设置中输入。', errorTooLarge: '图片超过了服务器的限制。',
  errorBusy: '服务器正忙。', errorServer: '服务器出错。', errorNotReady: '服务器尚未就绪。', errorStatus: '服务器返回 {status}。',
  errorUnreachable: '无法连接服务器。', errorCut: '回答结束前连接已断开。', errorStream: '回答中断。',
  retryIn: '预计 {seconds} 秒后有空位。', retry: '重试', openSettings: '打开设置',
  part_where: '位置', part_what: '对象', part_expected: '应为', part_found: '实为', part_hint: '提示',
  model: '模型', temperature: '温度', temperatureHelp: '0：总取最可能的词；越高越多样',
  topP: 'Top-p', topPHelp: '只从合计占此份额的最可能的词中抽取', maxTokens: '回答的最大词元数', maxTokensHelp: '留空：直到自然结束',
  seed: '随机种子', seedHelp: '种子与问题相同则回答相同；留空：每次不同', system: '系统提示', systemHelp: '对话之前告诉模型的话',
  key: '密钥', keyHelp: '只保存在此标签页中，关闭即忘；只发给这台服务器',
  colours: '颜色', coloursSystem: '跟随系统', coloursLight: '浅色', coloursDark: '深色', language: '语言',
  defaults: '恢复默认', close: '关闭',
  what: '这是什么？',
  what1: '模型由许多层叠成，一台设备放不下，于是切成几段：每台设备保存若干层（小方块），算完交给下一台。',
  what2: '只有一个请求时，只有一台设备在工作，其余都在等待。因此把请求分成几组，称为微批，像流水线上的汽车一样一个接一个通过各台设备。微批比设备多一个时，每台设备始终有活干。',
  what3: '每个胶囊是一个微批。圆点是解码：每点一个序列，即将得到下一个词元。斜纹块是预填充：正在读入新提示或图片的一段。微批离开最后一台设备时，其中每个序列多一个词元，然后重新开始。',
  oneAtATime: '一次一个请求', inFlight: '四个微批同时在途', time: '时间', deviceN: '设备 {n}',
  pipeline: '流水线', liveMotion: '实时', slowMotion: '慢动作', slowed: '比实际慢 {factor} 倍，按实测步时绘制', liveShown: '实况，每秒十次',
  nothing: '目前没有微批。提个问题看看。', stage: '第 {n} 段', noStage: '无层', layers: '第 {first} 至 {last} 层', vision: '视觉塔', embedding: '词嵌入', head: '输出头',
  busy: '忙碌', through: '通过的词元', perSecond: '每秒 {n}', stepTime: '最近 {seconds} 秒的解码步', planned: '计划', measured: '实测', ratio: '×{n}', noSteps: '无',
  memory: '内存', memoryOf: '{used} / {budget}', weights: '层', ends: '视觉、嵌入、输出头', kv: '键值缓存', arena: '激活', fixed: '固定', free: '空闲',
  tokensPerS: '新词元/秒', promptPerS: '提示词元/秒', running: '运行中', waiting: '排队', cacheHits: '提示来自缓存', stepsPerS: '微批/秒',
  cache: '键值缓存', blocksUsed: '使用中', blocksCached: '留给后续提示', blocksFree: '空闲', blocksOf: '{used} / {all} 块',
  requests: '请求', total: '全部', failed: '失败', cancelled: '取消', refused: '拒绝', preemptions: '放回', picturesSeen: '图片', pictureHits: '其中来自缓存', uptime: '已运行',
  connecting: '连接中', live: '实时', lost: '已断开，重试中', notReady: '未就绪', noKey: '需要密钥', paused: '已暂停',
  capsule: '微批 {id}:解码 {decodes},预填充 {prefill} 个词元', decode: '解码', prefill: '预填充', planMissing: '无法读取计划：{why}',
  microBatches: '在途 {n} 个',
};

export const allWords = {en: kEnglish, zh: kChinese};
let language = 'en';

export function currentLanguage() {
  return language;
}

/// '' or unknown: the browser's.
export function chooseLanguage(name) {
  const wanted = name || navigator.language || 'en';
  language = wanted.toLowerCase().startsWith('zh') ? 'zh' : 'en';
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
}

/// The text under that name, its {figures} filled in.
export function t(name, figures = {}) {
  return allWords[language][name].replace(/\{(\w+)\}/g, (_, key) => String(figures[key] ?? ''));
}

/// Fills every element that names its text: data-t (inside), data-t-label, -title, -placeholder.
export function translate(root = document) {
  for (const node of root.querySelectorAll('[data-t]')) node.textContent = t(node.dataset.t);
  for (const node of root.querySelectorAll('[data-t-label]'))
    node.setAttribute('aria-label', t(node.dataset.tLabel));
  for (const node of root.querySelectorAll('[data-t-title]')) node.title = t(node.dataset.tTitle);
  for (const node of root.querySelectorAll('[data-t-placeholder]'))
    node.placeholder = t(node.dataset.tPlaceholder);
}

export const count = (value) => Math.round(value).toLocaleString(language);

/// Three figures at most: 0.42, 7.3, 128, 4,210.
export function figure(value) {
  if (!Number.isFinite(value)) return '–';
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value > 0 ? 2 : 0;
  return value.toLocaleString(language, {maximumFractionDigits: digits});
}

export const percent = (share) => `${Math.round(100 * Math.min(Math.max(share, 0), 1))} %`;

export function bytesText(bytes) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) bytes /= 1024, ++unit;
  return `${figure(bytes)} ${units[unit]}`;
}

export function durationText(seconds) {
  const whole = Math.floor(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h} h ${m} min` : m ? `${m} min ${s} s` : `${s} s`;
}
