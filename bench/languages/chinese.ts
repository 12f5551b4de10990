import { pick } from '../texts.ts'
import { type Known, scene } from './known.ts'

const list = (text: string) => text.split(' ')
const names = list('安娜 李明 王芳 张伟 刘洋 陈静 杨光 赵敏 黄磊 周杰 吴丽 徐强 孙悦 马超 朱莉 胡军 郭涛 何琳')
const places = list('港口 市场 车站 花园 森林 地下室 商店 公园 院子 大厅 塔楼 马厩')
const things = list(
  '箱子 房子 书籍 苹果 椅子 台灯 鲜花 小刀 信件 钥匙 行李箱 大衣 报纸 账单 自行车 图画 玻璃杯 小狗 小猫 小鸟 桌子 鞋子 裙子 蛋糕 瓶子 卡片 手表 地毯 工具 礼物 植物 毯子 茶杯 篮子 皮球 栅栏 马车 小船 衬衫 素描',
)
const qualities = list('红色 绿色 蓝色 沉重 轻便 陈旧 崭新 破损 昂贵 便宜 肮脏 干净 圆形 细长 宽大 狭窄 白色 彩色 黑色 灰色')
const deeds = list('出售 购买 找到 修理 寻找 粉刷 丢失 展示 打开 隐藏 清洗 交换 包装 订购 拍摄 搬运 测量 描述')
const times = list('昨天 星期一 上周 今天早上 夏天 三天前 晚上 一月')

export const chinese: Known = (random) => {
  const [name, other, place, thing, quality, deed] = scene(random, names, places, things, qualities, deeds)
  const [second, done] = [pick(random, things), pick(random, deeds)]
  const text = pick(random, [
    `${name}${pick(random, times)}在${place}${deed}了${quality}的${thing},后来${other}又${done}了${second}。`,
    `${pick(random, times)}在${place},${name}把那些${quality}的${thing}都${deed}了。${other}没有${done}${second}。`,
    `我们和${name}一起${deed}了${quality}的${thing},因为${other}在${place}没有${second}。`,
  ])
  const query = pick(random, [
    `谁想在${place}${deed}${quality}${thing}？`,
    `${deed} ${quality} ${thing} ${place}`,
    `${name}在${place}对${quality}的${thing}做了什么？`,
    `${name}${deed}${thing}`,
  ])
  return { text, query }
}
