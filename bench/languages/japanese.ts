import { pick } from '../texts.ts'
import { forms, type Known, scene } from './known.ts'

const list = (text: string) => text.split(' ')
const names = list('アンナ 田中 鈴木 佐藤 高橋 伊藤 渡辺 山本 中村 小林 加藤 吉田 山田 松本 井上 木村 清水 斎藤')
const places = list('港 市場 駅前 庭園 森の中 地下室 商店街 公園 中庭 大広間 塔の上 馬小屋')
const things = list(
  '箱 家 本棚 リンゴ 椅子 ランプ 花束 ナイフ 手紙 鍵 スーツケース コート 新聞 請求書 自転車 絵画 グラス 子犬 子猫 小鳥 机 靴 ドレス ケーキ 瓶 カード 腕時計 絨毯 工具 贈り物 植物 毛布 茶碗 かご ボール 柵 荷車 小舟 シャツ スケッチ',
)
const qualities = list('赤い 緑の 青い 小さい 重い 軽い 古い 新しい 壊れた 高い 安い 汚い きれいな 丸い 長い 短い 広い 狭い 白い 黒い')
// polite past, dictionary form, desire
const deeds = forms(
  '売りました/売る/売りたい 買いました/買う/買いたい 見つけました/見つける/見つけたい 修理しました/修理する/修理したい 探しました/探す/探したい 塗りました/塗る/塗りたい なくしました/なくす/なくしたい 見せました/見せる/見せたい 開けました/開ける/開けたい 隠しました/隠す/隠したい 掃除しました/掃除する/掃除したい 交換しました/交換する/交換したい 包みました/包む/包みたい 注文しました/注文する/注文したい 撮影しました/撮影する/撮影したい 運びました/運ぶ/運びたい 測りました/測る/測りたい 説明しました/説明する/説明したい',
)
const times = list('昨日 月曜日に 先週 今朝 夏に 三日前に 夕方 一月に')

export const japanese: Known = (random) => {
  const [name, other, place, thing, quality, deed] = scene(random, names, places, things, qualities, deeds)
  const [second, done] = [pick(random, things), pick(random, deeds)]
  const text = pick(random, [
    `${name}さんは${pick(random, times)}${place}で${quality}${thing}を${deed[0]}。そして${other}さんは${second}を${done[0]}。`,
    `${pick(random, times)}、${place}で${name}さんが${quality}${thing}を三つ${deed[0]}。${other}さんは${second}を持っていませんでした。`,
    `私たちは${name}さんと${quality}${thing}を${deed[0]}が、${place}では${other}さんが${second}を${done[0]}。`,
  ])
  const query = pick(random, [
    `${place}で${quality}${thing}を${deed[2]}のは誰ですか？`,
    `${quality}${thing} ${deed[1]} ${place}`,
    `${name}さんは${place}で${quality}${thing}をどうしましたか？`,
    `${name} ${thing} ${deed[1]}`,
  ])
  return { text, query }
}
