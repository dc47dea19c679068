//! Every member that the documents of the 2.0 format name, and where 3.0 has it.
//!
//! `[]` stands behind a list of objects, `{name}` behind one of objects that have only that member,
//! `[Kind]` behind a list of results of that kind. `=` means
//! that 3.0 has no such member, so that it keeps its name, below what follows.

/// What a member's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    Texts,
    Numbers,
    Flag,
}

pub struct Field {
    /// In 2.0, below `data`.
    pub v2: String,
    /// In 3.0, below the event's member.
    pub v3: String,
    pub kind: Kind,
}

pub const TYPES: [(&str, &str); 9] = [
    ("NewFileUpload", "FileUploadEvent"),
    ("PullComplete", "PullCompleteEvent"),
    ("FileDeleted", "FileDeleteEvent"),
    ("ProcedureStateChanged", "ProcedureStateChangeEvent"),
    ("TranscodeComplete", "TranscodeCompleteEvent"),
    ("CreateSnapshotByTimeOffsetComplete", "SnapshotByTimeOffsetCompleteEvent"),
    ("CreateImageSpriteComplete", "CreateImageSpriteCompleteEvent"),
    ("ClipComplete", "ClipCompleteEvent"),
    ("ConcatComplete", "ConcatCompleteEvent"),
];

/// The members of an event's data.
pub fn of(event_type: &str) -> Vec<Field> {
    let mut fields = match event_type {
        "NewFileUpload" => read("", "", NEW_FILE_UPLOAD),
        "PullComplete" => read("", "", PULL_COMPLETE),
        "FileDeleted" => read("", "", FILE_DELETED),
        "TranscodeComplete" => read("", "", TRANSCODE_COMPLETE),
        "CreateSnapshotByTimeOffsetComplete" => read("", "", SNAPSHOT_COMPLETE),
        "CreateImageSpriteComplete" => read("", "", IMAGE_SPRITE_COMPLETE),
        "ClipComplete" => {
            let mut fields = read("", "", CLIP_COMPLETE);
            fields.extend(read("fileInfo.", "FileInfo.", FILE_INFO));
            fields
        }
        "ConcatComplete" => {
            let mut fields = read("", "", CONCAT_COMPLETE);
            fields.extend(read("fileInfo[].", "FileInfoSet[].", FILE_INFO));
            fields
        }
        _ => read("", "", PROCEDURE),
    };
    if event_type == "ProcedureStateChanged" {
        fields.extend(media("metaData.", "MetaData."));
        for (list, list_v3, kind, member, own) in TASKS {
            let [v2, v3] = [format!("{list}[{kind}]."), format!("{list_v3}[{kind}].{member}.")];
            fields.extend(read(&v2, &v3, TASK));
            fields.extend(read(&v2, &v3, own));
            if kind == "Transcode" {
                fields.extend(media(&format!("{v2}output."), &format!("{v3}Output.")));
            }
        }
    }
    fields
}

fn media(v2: &str, v3: &str) -> Vec<Field> {
    let mut fields = read(v2, v3, MEDIA);
    let of_file = v2.starts_with("metaData");
    fields.retain(|field| of_file || !field.v2.ends_with(".rotate"));
    fields
}

fn read(v2: &str, v3: &str, table: &str) -> Vec<Field> {
    let lines = table.lines().map(str::trim).filter(|line| !line.is_empty());
    let field = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [name, other, kind] = words[..] else { panic!("{line}") };
        let kind = match kind {
            "text" => Kind::Text,
            "number" => Kind::Number,
            "texts" => Kind::Texts,
            "numbers" => Kind::Numbers,
            "flag" => Kind::Flag,
            _ => panic!("{line}"),
        };
        let own = other.strip_prefix('=').map(|above| format!("{above}{}", last(name)));
        Field {
            v2: format!("{v2}{name}"),
            v3: format!("{v3}{}", own.unwrap_or(other.into())),
            kind,
        }
    };
    lines.map(field).collect()
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap()
}

const NEW_FILE_UPLOAD: &str = "
    status             =                                              number
    message            =                                              text
    fileId             FileId                                         text
    fileName           MediaBasicInfo.Name                            text
    coverUrl           MediaBasicInfo.CoverUrl                        text
    fileUrl            MediaBasicInfo.MediaUrl                        text
    author             =                                              text
    sourceType         MediaBasicInfo.SourceInfo.SourceType           text
    sourceContext      MediaBasicInfo.SourceInfo.SourceContext        text
    streamId           MediaBasicInfo.SourceInfo.LiveRecordInfo.StreamId  text
    procedureTaskId    ProcedureTaskId                                text
    transcodeTaskId    =                                              text
    imageSpriteTaskId  =                                              text
    porncheckTaskId    =                                              text
    duration           MetaData.Duration                              number
    fileSize           MetaData.Size                                  number
    width              MetaData.Width                                 number
    height             MetaData.Height                                number
    bitrate            MetaData.Bitrate                               number
";

const PULL_COMPLETE: &str = "
    vodTaskId        TaskId   text
    status           ErrCode  number
    message          Message  text
    fileId           FileId   text
    fileUrl          FileUrl  text
    transcodeTaskId  =        text
";

const FILE_DELETED: &str = "
    status            =           number
    message           =           text
    fileInfo{fileId}  FileIdSet   texts
";

const TRANSCODE_COMPLETE: &str = "
    status                ErrCode                   number
    message               Message                   text
    fileId                FileId                    text
    vodTaskId             TaskId                    text
    fileName              FileName                  text
    duration              Duration                  number
    coverUrl              CoverUrl                  text
    playSet[].url         PlayInfoSet[].Url         text
    playSet[].definition  PlayInfoSet[].Definition  number
    playSet[].vbitrate    PlayInfoSet[].Bitrate     number
    playSet[].vheight     PlayInfoSet[].Height      number
    playSet[].vwidth      PlayInfoSet[].Width       number
";

const SNAPSHOT_COMPLETE: &str = "
    vodTaskId             TaskId                        text
    fileId                FileId                        text
    definition            Definition                    number
    picInfo[].timeOffset  SnapshotInfoSet[].TimeOffset  number
    picInfo[].url         SnapshotInfoSet[].Url         text
    picInfo[].status      SnapshotInfoSet[].ErrCode     number
";

const IMAGE_SPRITE_COMPLETE: &str = "
    status          ErrCode            number
    message         Message            text
    vodTaskId       TaskId             text
    fileId          FileId             text
    definition      Definition         number
    totalCount      TotalCount         number
    imageSpriteUrl  ImageSpriteUrlSet  texts
    webVttUrl       WebVttUrl          text
";

const CLIP_COMPLETE: &str = "
    vodTaskId  TaskId     text
    srcFileId  SrcFileId  text
";

const CONCAT_COMPLETE: &str = "
    vodTaskId  TaskId  text
    status     =       number
    message    =       text
";

const FILE_INFO: &str = "
    fileType  FileType  text
    status    ErrCode   number
    message   Message   text
    fileId    FileId    text
    fileUrl   FileUrl   text
";

const PROCEDURE: &str = "
    vodTaskId                    TaskId   text
    status                       Status   text
    errCode                      ErrCode  number
    message                      Message  text
    fileId                       FileId   text
    drm.definition               =drm.    number
    drm.keySource                =drm.    text
    drm.getKeyUrl                =drm.    text
    drm.edkList                  =drm.    texts
    aiReview.definition          AiContentReviewResultSet[Porn].PornTask.Input.Definition          number
    aiReview.riskType            =AiContentReviewResultSet[Porn].PornTask.                         texts
    aiReview.imgInfo[].url       AiContentReviewResultSet[Porn].PornTask.Output.SegmentSet[].Url   text
    aiReview.imgInfo[].riskType  =AiContentReviewResultSet[Porn].PornTask.Output.SegmentSet[].     texts
";

const MEDIA: &str = "
    size                            Size                           number
    container                       Container                      text
    bitrate                         Bitrate                        number
    height                          Height                         number
    width                           Width                          number
    md5                             Md5                            text
    duration                        Duration                       number
    rotate                          Rotate                         number
    videoStreamList[].bitrate       VideoStreamSet[].Bitrate       number
    videoStreamList[].height        VideoStreamSet[].Height        number
    videoStreamList[].width         VideoStreamSet[].Width         number
    videoStreamList[].codec         VideoStreamSet[].Codec         text
    videoStreamList[].fps           VideoStreamSet[].Fps           number
    audioStreamList[].bitrate       AudioStreamSet[].Bitrate       number
    audioStreamList[].samplingRate  AudioStreamSet[].SamplingRate  number
    audioStreamList[].codec         AudioStreamSet[].Codec         text
";

const TASK: &str = "
    status            Status            text
    errCode           ErrCode           number
    message           Message           text
";

const MEDIA_LIST: [&str; 2] = ["processTaskList", "MediaProcessResultSet"];

/// List, list in 3.0, kind, member in 3.0, what it has besides [`TASK`].
const TASKS: [(&str, &str, &str, &str, &str); 10] = [
    (
        MEDIA_LIST[0],
        MEDIA_LIST[1],
        "Transcode",
        "TranscodeTask",
        "
        input.definition                    Input.Definition                   number
        input.watermark                     Input.WatermarkSet                 flag
        input.mosaicList[].width            Input.MosaicSet[].Width            text
        input.mosaicList[].height           Input.MosaicSet[].Height           text
        input.mosaicList[].left             Input.MosaicSet[].XPos             text
        input.mosaicList[].top              Input.MosaicSet[].YPos             text
        input.mosaicList[].startTimeOffset  Input.MosaicSet[].StartTimeOffset  number
        input.mosaicList[].endTimeOffset    Input.MosaicSet[].EndTimeOffset    number
        ",
    ),
    (
        MEDIA_LIST[0],
        MEDIA_LIST[1],
        "AnimatedGraphics",
        "AnimatedGraphicTask",
        "
        input.definition  Input.Definition       number
        input.startTime   Input.StartTimeOffset  number
        input.endTime     Input.EndTimeOffset    number
        output.url        Output.Url             text
        output.container  Output.Container       text
        output.fps        =Output.               number
        output.height     Output.Height          number
        output.width      Output.Width           number
        ",
    ),
    (
        MEDIA_LIST[0],
        MEDIA_LIST[1],
        "SampleSnapshot",
        "SampleSnapshotTask",
        "
        input.definition           Input.Definition               number
        input.watermarkDefinition  Input.WatermarkSet{Definition}  numbers
        output.imageUrls           Output.ImageUrlSet             texts
        ",
    ),
    (
        MEDIA_LIST[0],
        MEDIA_LIST[1],
        "SnapshotByTimeOffset",
        "SnapshotByTimeOffsetTask",
        "
        input.definition             Input.Definition                number
        input.timeOffset             Input.TimeOffsetSet             numbers
        input.watermarkDefinition    Input.WatermarkSet{Definition}   numbers
        output.imgInfo[].timeOffset  Output.PicInfoSet[].TimeOffset  number
        output.imgInfo[].url         Output.PicInfoSet[].Url         text
        ",
    ),
    (
        MEDIA_LIST[0],
        MEDIA_LIST[1],
        "CoverBySnapshot",
        "CoverBySnapshotTask",
        "
        input.definition           Input.Definition               number
        input.positionType         Input.PositionType             text
        input.position             Input.PositionValue            number
        input.watermarkDefinition  Input.WatermarkSet{Definition}  numbers
        output.imageUrl            Output.CoverUrl                text
        ",
    ),
    (
        MEDIA_LIST[0],
        MEDIA_LIST[1],
        "PullFile",
        "PullFileTask",
        "
        input.url        Input.Url        text
        input.fileName   Input.FileName   text
        input.md5        Input.Md5        number
        output.fileId    Output.FileId    text
        output.fileSize  Output.FileSize  text
        output.url       Output.Url       text
        ",
    ),
    (
        MEDIA_LIST[0],
        MEDIA_LIST[1],
        "ImageSprites",
        "ImageSpriteTask",
        "
        input.definition   Input.Definition    number
        output.totalCount  Output.TotalCount   number
        output.urlList     Output.ImageUrlSet  texts
        output.webVttUrl   Output.WebVttUrl    text
        ",
    ),
    (
        "contentReviewList",
        "AiContentReviewResultSet",
        "Porn",
        "PornTask",
        "
        input.definition                         Input.Definition                           number
        output.confidence                        Output.Confidence                          number
        output.suggestion                        Output.Suggestion                          text
        output.segments[].startTimeOffset        Output.SegmentSet[].StartTimeOffset        number
        output.segments[].endTimeOffset          Output.SegmentSet[].EndTimeOffset          number
        output.segments[].confidence             Output.SegmentSet[].Confidence             number
        output.segments[].suggestion             Output.SegmentSet[].Suggestion             text
        output.segments[].url                    Output.SegmentSet[].Url                    text
        output.segments[].picUrlExpireTimeStamp  Output.SegmentSet[].PicUrlExpireTimeStamp  number
        ",
    ),
    (
        "aIAnalysisList",
        "AiAnalysisResultSet",
        "Classification",
        "ClassificationTask",
        "
        input.definition                          Input.Definition                           number
        output.classifications[].classification   Output.ClassificationSet[].Classification  text
        output.classifications[].confidence       Output.ClassificationSet[].Confidence      number
        ",
    ),
    (
        "aIAnalysisList",
        "AiAnalysisResultSet",
        "Tag",
        "TagTask",
        "
        input.definition          Input.Definition            number
        output.tags[].tag         Output.TagSet[].Tag         text
        output.tags[].confidence  Output.TagSet[].Confidence  number
        ",
    ),
];
